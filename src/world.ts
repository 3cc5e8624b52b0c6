/** The adapters that a configuration names, as the ports that the engine performs its effects on. */
import { systemClock } from './adapters/clock/system.ts';
import type { Faults } from './adapters/faults.ts';
import { lookUpChange } from './adapters/gerrit/lookup.ts';
import { RestClient } from './adapters/gerrit/rest-client.ts';
import { RestReviews } from './adapters/gerrit/rest-reviews.ts';
import type { ReviewRoute } from './adapters/gerrit/review-route.ts';
import { GerritReviewer } from './adapters/gerrit/reviewer.ts';
import { SshReviews } from './adapters/gerrit/ssh-reviews.ts';
import { GitSource } from './adapters/git/source.ts';
import { LocalProvider } from './adapters/local/provider.ts';
import { LocalRunner } from './adapters/local/runner.ts';
import { LocalEvidence } from './adapters/logs/local.ts';
import { readTap } from './adapters/results/tap.ts';
import type { Config, RestConfig } from './config/config.ts';
import { readPassword } from './config/password.ts';
import type { Alarms, World } from './engine/ports.ts';

/** @param slots overrides the slots of every provider */
export function buildWorld(
  config: Config,
  slots: number | undefined,
  alarms: Alarms,
  faults: Faults | null,
): World {
  const { stateDir, gerrit, logs, redact } = config;
  const providers = config.providers.map(
    (provider) => new LocalProvider({ name: provider.name, slots: slots ?? provider.slots, stateDir }),
  );
  const world: World = {
    providers: new Map(providers.map((provider) => [provider.name, provider])),
    catchUp: { run: () => Promise.reject(new Error('not yet')) },
    changes: interimChanges(gerrit),
    merger: interimMerger(),
    source: new GitSource({ gerrit }),
    runner: new LocalRunner({ stateDir, readTap }),
    evidence: new LocalEvidence({ stateDir, ...logs, redact }),
    reviewer: new GerritReviewer(reviewRoute(gerrit), systemClock, gerrit.settleMs),
    alarms: alarms,
    mailer: null,
  };
  return faults === null ? world : faults.world(world);
}

/** By REST where it is configured, by SSH otherwise. */
function reviewRoute(gerrit: Config['gerrit']): ReviewRoute {
  const { rest } = gerrit;
  if (rest === null) return new SshReviews(gerrit, systemClock, gerrit.user);
  return new RestReviews(restClient(gerrit, rest));
}

function restClient(gerrit: Config['gerrit'], rest: RestConfig): RestClient {
  const { url, user, caFile, idleMs, retryAfterMaxMs } = rest;
  const { connectTimeoutMs, commandTimeoutMs, answerLimitBytes, reviewConnections } = gerrit;
  const options = {
    ...{ url, user, caFile, idleMs, retryAfterMaxMs, connectTimeoutMs, answerLimitBytes },
    password: () => readPassword(rest.password),
    requestTimeoutMs: commandTimeoutMs,
    connections: reviewConnections,
  };
  return new RestClient(options, systemClock);
}

function interimChanges(gerrit: Config['gerrit']): World['changes'] {
  return {
    async lookUp({ patchset }, signal) {
      const current = await lookUpChange(gerrit, systemClock, patchset.change, null, signal);
      return {
        status: current === null ? 'missing' : 'open',
        current: current?.patchset ?? 0,
        wip: false,
        private: false,
        files: null,
        votes: [],
        dependencies: [],
        trouble: null,
      };
    },
  };
}

function interimMerger(): World['merger'] {
  return {
    merge: () => Promise.reject(new Error('not yet')),
    reviews: () => Promise.resolve([]),
    drop: () => Promise.resolve(),
  };
}
