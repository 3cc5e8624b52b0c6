/** Runs one job with the daemon's machine, log and adapters, without listening to Gerrit. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../adapters/clock/system.ts';
import { lookUpPatchset } from '../adapters/gerrit/changes/patchset-lookup.ts';
import { follow } from '../adapters/local/tail.ts';
import { LockHeld, takeLock } from '../adapters/sqlite/lock.ts';
import type { Config } from '../config/config.ts';
import type { LogEntry } from '../engine/ports/store.ts';
import { OperationError } from '../errors.ts';
import type { ResultsSummary } from '../machines/model/domain.ts';
import type { Verdict } from '../machines/model/verdict.ts';
import { Daemon, type DaemonOptions } from './daemon.ts';
import { lockFile } from './database-admin.ts';

/** Interrupted jobs that an error names. */
const MAX_HOLDERS_SHOWN = 3;

export interface RunOnceOptions extends DaemonOptions {
  readonly job: string;
  readonly change: number;
  readonly patchset: number;
  /** Receives the live output of the stages. */
  readonly onOutput: (text: string) => void;
  /** Called after each row of the job, with the state that it led to. */
  readonly onState?: (state: string, job: string) => void;
}

export interface RunOnceResult {
  readonly job: string;
  readonly verdict: Verdict;
  readonly url: string | null;
  readonly reason: string;
  /** Null: none were read. */
  readonly results: ResultsSummary | null;
}

/** Runs one job to its end. Does not continue other open jobs. */
export async function runOnce(config: Config, options: RunOnceOptions): Promise<RunOnceResult> {
  const { change, patchset, log } = options;
  assertNoDaemon(config, options);
  let done: (job: LogEntry) => void = () => {};
  const ended = new Promise<LogEntry>((resolve) => {
    done = resolve;
  });
  let results: ResultsSummary | null = null;
  const tails: (() => void)[] = [];
  const daemon = new Daemon(config, options, (append) => {
    const { row, stored, projection: view } = append;
    if (view.kind !== 'job') return;
    options.onState?.(stored.state, view.id);
    if (row.type === 'stage.started') {
      const directory = join(config.stateDir, 'runs', view.id, String(view.attempt), String(row.data.stage));
      const decoder = new TextDecoder();
      const print = (chunk: Uint8Array) => options.onOutput(decoder.decode(chunk, { stream: true }));
      tails.push(follow(join(directory, 'log'), print));
    }
    if (row.type === 'results.read') results = row.data.results as ResultsSummary;
    if (stored.ended) done(append);
  });
  await daemon.start({ listen: false });
  try {
    assertFreeSlot(config, options.job, daemon);
    assertNoObstacle(config, options.job, '', daemon);
    assertNoPendingPost(change, daemon);
    const found = await lookUpPatchset(config.gerrit, systemClock, change, patchset);
    if (found === null) throw unknownChange(config, change, patchset);
    assertNoObstacle(config, options.job, found.project, daemon);
    await daemon.startJob(found, options.job);
    const crashed = daemon.crashed();
    const { projection: view } = await Promise.race([ended, crashed]);
    await Promise.race([daemon.reviewsEnded(), crashed]);
    if (view.kind !== 'job' || view.verdict === null) throw new Error('a job ended without a verdict');
    log.debug({ job: view.id }, 'ended');
    return { job: view.id, verdict: view.verdict, url: view.url, reason: view.reason, results };
  } finally {
    for (const stop of tails) stop();
    daemon.stop();
    await daemon.stopped;
  }
}

/** @throws OperationError when a daemon runs, with the command that makes the daemon run the job */
function assertNoDaemon({ stateDir }: Config, { change, patchset, job }: RunOnceOptions): void {
  if (!existsSync(stateDir)) return;
  try {
    takeLock(lockFile(stateDir), Date.now()).release();
  } catch (thrown) {
    if (!(thrown instanceof LockHeld)) throw thrown;
    const { operation, target, message, retryable } = thrown;
    const hint = `let the daemon run it: sos-ci enqueue ${change},${patchset} ${job}`;
    throw new OperationError({ operation, target, message, retryable, hint, cause: thrown });
  }
}

/**
 * @throws OperationError when interrupted jobs hold every slot of the job's provider: they do not continue here, so the
 * new job would wait forever
 */
function assertFreeSlot(config: Config, name: string, daemon: Daemon): void {
  const provider = config.jobs.find(({ spec }) => spec.name === name)?.spec.provider;
  if (provider === undefined) return;
  const { holders, held, slots } = daemon.openWork.slotUsage(provider);
  if (holders.length + held < slots) return;
  if (held > 0) throw slotsAreHeld(name, provider, held);
  const named = holders
    .slice(0, MAX_HOLDERS_SHOWN)
    .map((job) => `${job.id} (${job.name} ${job.change},${job.patchset})`);
  const more = holders.length > named.length ? ` and ${holders.length - named.length} more` : '';
  const holding =
    holders.length === 1 ? 'was interrupted and still holds' : 'were interrupted and still hold';
  const all = slots === 1 ? 'the only slot' : `all ${slots} slots`;
  throw new OperationError({
    operation: 'start job',
    target: name,
    message: `${named.join(', ')}${more} ${holding} ${all} of the provider ${provider}`,
    retryable: false,
    hint: 'finish the interrupted work first: sos-ci daemon --drain',
  });
}

/** @throws OperationError when interrupted work uses up a limit of the job, or a janitor has one of its back ends */
function assertNoObstacle(config: Config, name: string, project: string, daemon: Daemon): void {
  const spec = config.jobs.find((job) => job.spec.name === name)?.spec;
  const obstacle = spec === undefined ? null : daemon.openWork.obstacleFor({ ...spec, project });
  if (obstacle === null) return;
  const what =
    obstacle.by === 'janitor'
      ? `janitor ${obstacle.name} has the back end ${obstacle.backend}`
      : `interrupted jobs reach the limit of the ${obstacle.by} ${obstacle.name}`;
  throw new OperationError({
    operation: 'start job',
    target: name,
    message: what,
    retryable: false,
    hint: 'finish the interrupted work first: sos-ci daemon --drain',
  });
}

function slotsAreHeld(name: string, provider: string, held: number): OperationError {
  return new OperationError({
    operation: 'start job',
    target: name,
    message: `the provider ${provider} has no free slot; held servers take ${held}`,
    retryable: false,
    hint: 'list them: sos-ci holds. A running daemon releases them: sos-ci release',
  });
}

/**
 * @throws OperationError when an interrupted review is about to post on the change: it does not continue here, and the
 * reviews of a change post one at a time
 */
function assertNoPendingPost(change: number, daemon: Daemon): void {
  const review = daemon.openWork.reviewAboutToPost(change);
  if (review === null) return;
  throw new OperationError({
    operation: 'start job',
    target: `change ${change}`,
    message: `review ${review} was interrupted before it posted on the change`,
    retryable: false,
    hint: 'finish the interrupted work first: sos-ci daemon --drain',
  });
}

function unknownChange(config: Config, change: number, patchset: number): OperationError {
  return new OperationError({
    operation: 'look up change',
    target: `${change},${patchset}`,
    message: `${config.gerrit.host} has no such patchset that ${config.gerrit.user} may see`,
    retryable: false,
    hint: 'check the numbers, and whether the account may read the project',
  });
}
