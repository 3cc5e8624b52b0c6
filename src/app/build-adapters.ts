/** Creates the configured adapters, through which the engine performs its effects. */
import { pathToFileURL } from 'node:url';
import manifest from '../../package.json' with { type: 'json' };
import { PlaybookRunner } from '../adapters/ansible/playbook-runner.ts';
import { systemClock } from '../adapters/clock/system.ts';
import { EventSegments } from '../adapters/event-archive/segments.ts';
import { LocalEvidence } from '../adapters/evidence/local-evidence.ts';
import { hider } from '../adapters/evidence/redact/redact.ts';
import { ChangeLookup } from '../adapters/gerrit/changes/change-lookup.ts';
import { GerritReviewer } from '../adapters/gerrit/reviews/reviewer.ts';
import { GerritStream } from '../adapters/gerrit/stream/stream.ts';
import { bundleTree } from '../adapters/git/bundle.ts';
import { GitCache } from '../adapters/git/git-cache.ts';
import { GitSource } from '../adapters/git/local-checkout.ts';
import { GitMerger } from '../adapters/git/merger.ts';
import { bundleUploaded } from '../adapters/git/patchset-bundle.ts';
import { ProcHostMetrics } from '../adapters/host/host-metrics.ts';
import { LocalRuns } from '../adapters/local/local-runs.ts';
import { LocalRunner } from '../adapters/local/runner.ts';
import { readSubunit, reportSubunit } from '../adapters/results/subunit/report.ts';
import { readTap } from '../adapters/results/tap.ts';
import { BundleSource } from '../adapters/ssh/bundle-source.ts';
import type { SshClient } from '../adapters/ssh/client/client.ts';
import { fetchTree } from '../adapters/ssh/evidence.ts';
import type { NodePool } from '../adapters/ssh/node-pool.ts';
import { SshPlaybookNodes } from '../adapters/ssh/playbook-nodes.ts';
import { SshRunner } from '../adapters/ssh/runner.ts';
import type { Config } from '../config/config.ts';
import type { EventIntake } from '../engine/intake/event-intake.ts';
import type { LifecycleOptions } from '../engine/lifecycle.ts';
import type { Adapters, Alarms, CatchUp, Provider, Runner } from '../engine/ports/adapters.ts';
import type { EventSource } from '../engine/ports/event-source.ts';
import type { Store } from '../engine/ports/store.ts';
import type { SecretValues } from '../log.ts';
import type { ResultsFormat } from '../machines/model/domain.ts';
import { buildJanitorRunner, stageLimits } from './build-janitors.ts';
import { type BuiltProviders, buildProviders } from './build-providers.ts';
import { createMailer, createRestHistory, createReviewTransport } from './build-transports.ts';
import { createPublisher } from './create-publisher.ts';
import { databaseFile } from './database-admin.ts';
import { GerritConnections } from './gerrit-connections.ts';
import { routedRunner, routedSource } from './route-by-address.ts';

/** Wraps adapters. Tests use it to stop a daemon at a chosen effect. */
export interface Wrappers {
  store(store: Store): Store;
  /** Wraps all adapters except the providers, which `provider` wraps. */
  adapters(adapters: Adapters): Adapters;
  provider(provider: Provider): Provider;
}

export interface BuiltAdapters {
  readonly adapters: Adapters;
  readonly connections: GerritConnections;
  readonly providers: Pick<BuiltProviders, 'set' | 'define'>;
  /** Closes connections and caches. Call it after the engine has stopped. */
  close(): Promise<void>;
}

/**
 * @param slots overrides the slots of every provider
 * @param holdsSlot whether a job still has its slot
 */
export function buildAdapters(
  config: Config,
  slots: number | undefined,
  alarms: Alarms,
  catchUp: CatchUp,
  activeJobs: Adapters['activeJobs'],
  wrappers: Wrappers | null,
  secrets: SecretValues,
  holdsSlot?: (job: string) => boolean,
): BuiltAdapters {
  const { stateDir, gerrit } = config;
  const hide = hider(secrets);
  const redactedAlarms = withoutSecrets(alarms, hide);
  const built = buildProviders(config, slots, redactedAlarms, wrappers, undefined, holdsSlot);
  const { set, nodes, openStack, define } = built;
  const stages = stageLimits(config.limits);
  const connections = new GerritConnections(gerrit, redactedAlarms);
  const { queries, git } = connections;
  const clock = systemClock;
  const cache = new GitCache({ stateDir, gerrit, clock, connectionLimit: git, limits: config.git });
  const adapters: Adapters = {
    providers: set.providers,
    catchUp,
    changes: new ChangeLookup(gerrit, clock, queries),
    merger: new GitMerger(cache),
    source: routedSource({
      local: new GitSource({ gerrit, cache }),
      node: new BundleSource({
        stateDir,
        nodes,
        bundleTree: (tree, file, haves, signal) => bundleTree(cache, tree, file, haves, signal),
        bundlePatchset: (patchset, file, signal) => bundleUploaded(gerrit, git, patchset, file, signal),
      }),
    }),
    runner: routedRunner({
      local: new LocalRunner({ stateDir, readResults, ...stages }),
      node: nodeRunner(config, nodes, secrets),
    }),
    janitors: buildJanitorRunner(stateDir, stages, secrets, openStack),
    evidence: localEvidence(config, nodes, secrets),
    reviewer: new GerritReviewer(createReviewTransport(gerrit, queries), clock, gerrit.postSettleTimeoutMs),
    alarms: redactedAlarms,
    hide,
    activeJobs,
    mailer: config.mail === null ? null : createMailer(config.mail, config.limits.shutdownTimeoutMs),
  };
  return {
    adapters: wrappers === null ? adapters : wrappers.adapters(adapters),
    providers: { set, define },
    connections,
    close: async () => {
      await Promise.all([queries.close(), cache.close(), nodes.close()]);
    },
  };
}

function localEvidence(config: Config, nodes: NodePool, redact: SecretValues): LocalEvidence {
  const { stateDir, logs } = config;
  return new LocalEvidence({
    stateDir,
    publisher: createPublisher(config),
    url: logsUrl(logs),
    limits: logs.limits,
    redact,
    readReport: reportSubunit,
    version: manifest.version,
    fetchTree: (wanted, signal) => fetchTree(nodes, wanted, signal),
  });
}

/** Another destination than a directory always has an address. */
function logsUrl({ url, destination }: Config['logs']): string {
  return url === '' && destination.type === 'directory' ? pathToFileURL(destination.dir).href : url;
}

/** Runs stages on a node, and playbooks on this host that connect to it. */
function nodeRunner(config: Config, nodes: NodePool, redact: SecretValues): Runner {
  const { stateDir, gerrit, logs, file } = config;
  const common = { nodes, redact, ...stageLimits(config.limits) };
  return new PlaybookRunner({
    stateDir,
    host: new LocalRuns(common),
    nodes: new SshPlaybookNodes(common),
    others: new SshRunner({ stateDir, readResults, ...common }),
    hidden: [
      ...[file, gerrit.keyFile],
      ...(logs.destination.type === 'ssh' ? [logs.destination.keyFile] : []),
    ],
  });
}

function withoutSecrets(alarms: Alarms, hide: Adapters['hide']): Alarms {
  return {
    raise: (alarm) =>
      alarms.raise({
        ...alarm,
        target: hide(alarm.target),
        message: hide(alarm.message),
        hint: hide(alarm.hint),
      }),
  };
}

function readResults(format: ResultsFormat, chunks: AsyncIterable<Uint8Array>) {
  return format === 'subunit' ? readSubunit(chunks) : readTap(chunks);
}

/** What the event sources and the health monitor need. */
export interface EventSourceOptions {
  readonly events: EventIntake;
  readonly store: Pick<Store, 'count'>;
  /** Catch up from this time; absent: from the checkpoint. Epoch ms. */
  readonly since?: number;
  /** Starts no jobs, so it reports nothing. */
  readonly monitorOnly?: boolean;
  readonly report?: boolean;
  readonly connections: GerritConnections;
}

/** Creates the event stream, the event archive and the health monitor's inputs. */
export function buildEventSources(
  config: Config,
  { events, store, since, connections, monitorOnly = false, report: posts = true }: EventSourceOptions,
): Pick<LifecycleOptions, 'listening' | 'monitoring' | 'connections'> {
  const { stateDir, logs, gerrit, catchUp, limits, monitoring, report } = config;
  const { dir, keep } = catchUp.segments;
  const lost = (lines: number) => store.count('unarchived:lines', lines);
  const segments = keep ? new EventSegments(catchUp.segments, systemClock, lost) : null;
  const rest = createRestHistory(gerrit);
  const tuning = {
    pages: rest?.pages ?? null,
    queueLimit: limits.maxBufferedEvents,
    pageRows: catchUp.pageSize,
    up: (connection: SshClient) => connections.stream.connected(connection),
    ...(segments === null ? {} : { keep: (line: Buffer) => segments.keep(line) }),
  };
  const directories = [
    { path: stateDir, holds: 'stateDir' },
    ...(logs.destination.type === 'directory'
      ? [{ path: logs.destination.dir, holds: 'logs' } as const]
      : []),
    ...(keep ? [{ path: dir, holds: 'events' }] : []),
  ];
  const archiveProblem = () => segments?.problem() ?? null;
  return {
    connections,
    listening: {
      events,
      intake: (listener) =>
        withClose(new GerritStream(gerrit, systemClock, listener, tuning), async () => {
          rest?.close();
          await segments?.close();
        }),
      server: `${gerrit.host}:${gerrit.port}`,
      limits: catchUp.stream,
      since: since ?? null,
    },
    monitoring: {
      ...monitoring,
      metrics: new ProcHostMetrics({ paths: directories, database: databaseFile(stateDir), archiveProblem }),
      reports: posts && !monitorOnly && report.enabled,
    },
  };
}

/** Closes the archive after the stream, so that the last events are archived. */
function withClose(stream: EventSource, close: () => Promise<void>): EventSource {
  return {
    history: stream.history,
    start: () => stream.start(),
    restart: (why) => stream.restart(why),
    stop: async () => {
      await stream.stop();
      await close();
    },
  };
}
