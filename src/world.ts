/** The adapters that a configuration names, as the ports that the engine performs its effects on. */
import { systemClock } from './adapters/clock/system.ts';
import type { Faults } from './adapters/faults.ts';
import { GerritChanges } from './adapters/gerrit/changes.ts';
import { GerritReviewer } from './adapters/gerrit/reviewer.ts';
import { SharedConnection } from './adapters/gerrit/shared-connection.ts';
import { GerritStream } from './adapters/gerrit/stream.ts';
import { bundleTree } from './adapters/git/bundle.ts';
import { GitCache } from './adapters/git/git-cache.ts';
import { GitMerger } from './adapters/git/merger.ts';
import { GitSource } from './adapters/git/source.ts';
import { bundleUploaded } from './adapters/git/uploaded-bundle.ts';
import { HostLookout } from './adapters/host/lookout.ts';
import { LocalRunner } from './adapters/local/runner.ts';
import { LocalEvidence } from './adapters/logs/local.ts';
import { hider } from './adapters/logs/redact.ts';
import { readTap } from './adapters/results/tap.ts';
import { fetchTree } from './adapters/ssh/evidence.ts';
import { SshRunner } from './adapters/ssh/runner.ts';
import { BundleSource } from './adapters/ssh/source.ts';
import { runnerByPlace, sourceByPlace } from './by-place.ts';
import type { Config } from './config/config.ts';
import type { EventIntake } from './engine/event-intake.ts';
import type { Alarms, CatchUp, World } from './engine/ports.ts';
import type { ServiceOptions } from './engine/service.ts';
import { databaseFile } from './maintenance.ts';
import { type BuiltProviders, buildProviders } from './providers.ts';
import { mailerOf, reviewRoute } from './roads.ts';

export interface BuiltWorld {
  readonly world: World;
  readonly providers: Pick<BuiltProviders, 'set' | 'define'>;
  /** Ends what is open or under way when nobody performs anything any more. */
  close(): Promise<void>;
}

/** @param slots overrides the slots of every provider */
export function buildWorld(
  config: Config,
  slots: number | undefined,
  alarms: Alarms,
  catchUp: CatchUp,
  faults: Faults | null,
): BuiltWorld {
  const { stateDir, gerrit, logs, redact } = config;
  const { set, nodes, define } = buildProviders(config, slots, alarms, faults);
  const hide = hider(redact);
  const questions = new SharedConnection(gerrit, systemClock);
  const cache = new GitCache({ stateDir, gerrit, clock: systemClock, limits: config.git });
  const world: World = {
    providers: set.providers,
    catchUp,
    changes: new GerritChanges(gerrit, systemClock, questions),
    merger: new GitMerger(cache),
    source: sourceByPlace({
      here: new GitSource({ gerrit, cache }),
      node: new BundleSource({
        stateDir,
        nodes,
        bundleTree: (tree, file, haves, signal) => bundleTree(cache, tree, file, haves, signal),
        bundlePatchset: (patchset, file, signal) => bundleUploaded(gerrit, patchset, file, signal),
      }),
    }),
    runner: runnerByPlace({
      here: new LocalRunner({ stateDir, readTap }),
      node: new SshRunner({ stateDir, nodes, readTap }),
    }),
    evidence: new LocalEvidence({
      stateDir,
      ...logs,
      redact,
      fetchTree: (wanted, signal) => fetchTree(nodes, wanted, signal),
    }),
    reviewer: new GerritReviewer(reviewRoute(gerrit), systemClock, gerrit.settleMs),
    alarms: {
      raise: (alarm) =>
        alarms.raise({
          ...alarm,
          target: hide(alarm.target),
          message: hide(alarm.message),
          hint: hide(alarm.hint),
        }),
    },
    hide,
    mailer: config.mail === null ? null : mailerOf(config.mail, config.limits.shutdownMs),
  };
  return {
    world: faults === null ? world : faults.world(world),
    providers: { set, define },
    close: async () => {
      await Promise.all([questions.close(), cache.close(), nodes.close()]);
    },
  };
}

/** What looks around. @param posts false: what this daemon finds is not reported */
export function buildVigil(config: Config, posts: boolean): ServiceOptions['vigil'] {
  const { stateDir, logs, intake, vigil, report } = config;
  const places = [
    { path: stateDir, holds: 'stateDir' },
    { path: logs.dir, holds: 'logs' },
    { path: intake.segments.dir, holds: 'events' },
  ];
  const lookout = new HostLookout({ places, database: databaseFile(stateDir), unkept: () => null });
  return { ...vigil, lookout, reports: posts && report.post };
}

/** What hears Gerrit. @param since from when on all is looked at; null: from where the last daemon had come */
export function buildListening(
  config: Config,
  events: EventIntake,
  since: number | null,
): ServiceOptions['listening'] {
  const { gerrit, intake, limits } = config;
  const tuning = { queueLimit: limits.inboxEvents, pageRows: intake.pageRows };
  return {
    events,
    intake: (listener) => new GerritStream(gerrit, systemClock, listener, tuning),
    server: `${gerrit.host}:${gerrit.port}`,
    limits: intake.stream,
    since,
  };
}
