/** `sos-ci jobs`: the queue in serving order, then all other jobs, newest first. */
import type { JobQuery, JobView, StoreReader } from '../../engine/ports/store.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { VERDICTS, type Verdict } from '../../machines/model/verdict.ts';
import { shortId } from '../input/resolve-id.ts';
import { onCommits, type Watch } from '../input/watch.ts';
import { EXIT } from '../output/exit-codes.ts';
import { topState } from '../output/state-spans.ts';
import { type Column, printTable } from '../output/table.ts';
import { type Io, printJson, printJsonLine } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';
import { jobJson, verdictPaint } from './job.ts';
import { MAX_OPEN, readQueue, type Waiting } from './queue.ts';

/** As commander parses them; all that are given must match. */
export interface JobsOptions
  extends Pick<JobQuery, 'change' | 'project' | 'branch' | 'owner' | 'since' | 'until' | 'sort'> {
  readonly open?: boolean;
  readonly failed?: boolean;
  readonly job?: string;
  readonly verdict?: Verdict;
  /** One of the states that `jobs` prints. */
  readonly inState?: string;
  readonly limit: number;
  readonly watch?: boolean;
  readonly json?: boolean;
}

/** The jobs that tested the patch, or should have, and did not succeed. */
const FAILED = VERDICTS.filter((verdict) => !['SUCCESS', 'SKIPPED', 'ABORTED'].includes(verdict));

/**
 * Prints the list now and whenever it changes. A terminal shows one list, which is as long as the screen; elsewhere each
 * list follows the last one, and with `--jsonl` only the jobs that changed.
 */
export async function watchJobs(
  io: Io,
  reader: StoreReader,
  options: JobsOptions,
  watch: Watch,
): Promise<number> {
  const isScreen = Number.isFinite(io.height) && !options.json;
  let shown: ReadonlyMap<string, string> | null = null;
  await onCommits(reader, watch, () => {
    const limit = isScreen ? Math.min(options.limit, Math.max(1, io.height - HEAD_LINES)) : options.limit;
    const list = readList(io, reader, { ...options, limit });
    const entries = new Map(jsonOf(list).map((job) => [job.id, JSON.stringify(job)]));
    const before = shown;
    shown = entries;
    if (before?.size === entries.size && [...entries].every(([id, text]) => before.get(id) === text)) return;
    if (options.json) {
      for (const job of jsonOf(list)) if (before?.get(job.id) !== entries.get(job.id)) printJsonLine(io, job);
      return;
    }
    io.out(isScreen ? CLEAR : before === null ? '' : '\n');
    printList(io, list, { ...options, limit });
  });
  return EXIT.ok;
}

/** Two lines of titles, an empty one, and the line of the cursor. */
const HEAD_LINES = 4;
/** Moves the cursor to the first column of the first line, and clears the screen. */
const CLEAR = '\u001b[H\u001b[2J';

interface JobList {
  readonly jobs: readonly JobView[];
  readonly queue: readonly Waiting[];
}

export function jobsCommand(io: Io, reader: StoreReader, options: JobsOptions): number {
  const list = readList(io, reader, options);
  if (options.json) printJson(io, { jobs: jsonOf(list), queue: list.queue.map(({ job }) => job.id) }, 'jobs');
  else printList(io, list, options);
  return EXIT.ok;
}

function readList(io: Io, reader: StoreReader, options: JobsOptions): JobList {
  const jobs = findJobs(reader, options);
  const open = new Set(findJobs(reader, { ...options, open: true, limit: MAX_OPEN }).map(({ id }) => id));
  const queue = readQueue(io, reader).filter(({ job }) => open.has(job.id));
  return { jobs, queue };
}

function jsonOf({ jobs, queue }: JobList) {
  const queued = new Map(queue.map((waiting) => [waiting.job.id, queueJson(waiting)]));
  return jobs.map((job) => ({ ...jobJson(job), queue: queued.get(job.id) ?? null }));
}

function printList(io: Io, { jobs, queue }: JobList, options: JobsOptions): void {
  // A sorted list has the queued jobs too.
  const printed = printQueueAndJobs(io, options.sort === undefined ? queue : [], jobs, options.limit);
  if (printed === 0) io.out(options.open ? 'no open jobs\n' : 'no jobs\n');
  if (jobs.length === options.limit && !options.watch)
    io.err(
      `the ${options.sort === undefined ? 'newest' : 'first'} ${options.limit} are shown; more with --limit N\n`,
    );
}

/** Names each part: `options` also has those of all commands, and `--state` is a directory. */
function findJobs(reader: StoreReader, options: JobsOptions): readonly JobView[] {
  const { open, failed, job: name, verdict, inState: state, limit } = options;
  const { change, project, branch, owner, since, until, sort } = options;
  return reader.jobs({
    limit,
    ...given({ change, project, branch, owner, since, until, sort, name, state }),
    ...(open ? { open } : {}),
    ...(failed ? { verdicts: FAILED } : {}),
    ...(verdict === undefined ? {} : { verdicts: [verdict] }),
  });
}

type Given<T> = { readonly [Key in keyof T]?: Exclude<T[Key], undefined> };

function given<T extends object>(parts: T): Given<T> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Given<T>;
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
