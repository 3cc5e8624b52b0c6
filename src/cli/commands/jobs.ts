/** `sos-ci jobs`: the queue in serving order, then all other jobs, newest first. */
import type { JobQuery, JobView, StoreReader } from '../../engine/ports/store.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { VERDICTS, type Verdict } from '../../machines/model/verdict.ts';
import { shortId } from '../input/resolve-id.ts';
import { EXIT } from '../output/exit-codes.ts';
import { topState } from '../output/state-spans.ts';
import { type Column, printTable } from '../output/table.ts';
import { type Io, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';
import { jobJson, verdictPaint } from './job.ts';
import { MAX_OPEN, readQueue, type Waiting } from './queue.ts';

/** As commander parses them; all that are given must match. */
export interface JobsOptions
  extends Pick<JobQuery, 'change' | 'project' | 'branch' | 'owner' | 'since' | 'until'> {
  readonly open?: boolean;
  readonly failed?: boolean;
  readonly job?: string;
  readonly verdict?: Verdict;
  /** One of the states that `jobs` prints. */
  readonly inState?: string;
  readonly limit: number;
  readonly json?: boolean;
}

/** The jobs that tested the patch, or should have, and did not succeed. */
const FAILED = VERDICTS.filter((verdict) => !['SUCCESS', 'SKIPPED', 'ABORTED'].includes(verdict));

export function jobsCommand(io: Io, reader: StoreReader, options: JobsOptions): number {
  const jobs = findJobs(reader, options);
  const open = new Set(findJobs(reader, { ...options, open: true, limit: MAX_OPEN }).map(({ id }) => id));
  const queue = readQueue(io, reader).filter(({ job }) => open.has(job.id));
  if (options.json) {
    const queued = new Map(queue.map((waiting) => [waiting.job.id, queueJson(waiting)]));
    const json = jobs.map((job) => ({ ...jobJson(job), queue: queued.get(job.id) ?? null }));
    printJson(io, { jobs: json, queue: queue.map(({ job }) => job.id) });
    return EXIT.ok;
  }
  const printed = printQueueAndJobs(io, queue, jobs, options.limit);
  if (printed === 0) io.out(options.open ? 'no open jobs\n' : 'no jobs\n');
  if (jobs.length === options.limit) io.err(`the newest ${options.limit} are shown; more with --limit N\n`);
  return EXIT.ok;
}

function findJobs(reader: StoreReader, options: JobsOptions): readonly JobView[] {
  const { open, failed, job, verdict, inState, json: _, ...equal } = options;
  return reader.jobs({
    ...equal,
    ...(open ? { open } : {}),
    ...(job === undefined ? {} : { name: job }),
    ...(inState === undefined ? {} : { state: inState }),
    ...(failed ? { verdicts: FAILED } : {}),
    ...(verdict === undefined ? {} : { verdicts: [verdict] }),
  });
}

/**
 * Prints the queue in serving order, then the other jobs; at most `limit` of each. Returns how many it printed.
 * @param jobs may include queued jobs
 */
export function printQueueAndJobs(
  io: Io,
  queue: readonly Waiting[],
  jobs: readonly JobView[],
  limit: number,
): number {
  const waiting = queue.slice(0, limit);
  const others = jobs.filter(({ id }) => !queue.some(({ job }) => job.id === id)).slice(0, limit);
  if (waiting.length > 0) printQueue(io, waiting);
  if (others.length > 0 && waiting.length > 0) io.out('\n');
  if (others.length > 0) printJobs(io, others);
  return waiting.length + others.length;
}

function printQueue(io: Io, queue: readonly Waiting[]): void {
  const now = io.now();
  const columns: readonly Column<Waiting>[] = [
    { title: 'QUEUE', text: ({ job, position }) => `${job.provider} ${position ?? '-'}` },
    { title: 'ID', text: ({ job }) => shortId(job.id) },
    { title: 'CHANGE', text: ({ job }) => `${job.change},${job.patchset}`, right: true },
    { title: 'JOB', text: ({ job }) => job.name },
    { title: 'PROJECT', text: ({ job }) => job.project, dropOrder: 1 },
    { title: 'WAITS', text: ({ since }) => formatDuration(now - since), right: true, dropOrder: 2 },
    { title: 'WHY', text: ({ why, promoted }) => (promoted ? `promoted; ${why}` : why) },
  ];
  printTable(io, columns, queue);
}

function queueJson({ job, position, promoted, since, why }: Waiting) {
  return { provider: job.provider, position, promoted, since: iso(since), why };
}

function printJobs(io: Io, jobs: readonly JobView[]): void {
  const now = io.now();
  const columns: readonly Column<JobView>[] = [
    { title: 'ID', text: (job) => shortId(job.id) },
    { title: 'CHANGE', text: (job) => `${job.change},${job.patchset}`, right: true },
    { title: 'JOB', text: (job) => job.name },
    { title: 'STATE', text: stateText, paint: (job) => verdictPaint(job.verdict) },
    { title: 'ACCEPTED (UTC)', text: (job) => utc(job.acceptedAt).slice(0, -4), dropOrder: 1 },
    {
      title: 'TOOK',
      text: (job) => formatDuration((job.endedAt ?? now) - job.acceptedAt),
      right: true,
      dropOrder: 2,
    },
    { title: 'SUBJECT', text: (job) => job.subject },
  ];
  printTable(io, columns, jobs);
}

/** An open job shows its state, and its verdict once there is one. */
function stateText(job: JobView): string {
  const attempt = job.attempt > 1 && !job.ended ? ` #${job.attempt}` : '';
  if (job.ended) return job.parked ? 'parked' : (job.verdict ?? job.state);
  const state = topState(job.state);
  return job.verdict === null ? `${state}${attempt}` : `${state} ${job.verdict}`;
}
