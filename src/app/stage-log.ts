/**
 * The output of a job's stage as it was at a moment, read from this host: the run's own log while it is kept, then the
 * published one. Reads a bounded part of it, and follows no link that a test may have made.
 */
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Directory, errorCode } from '../adapters/evidence/files/dir-handle.ts';
import { candidateNames, parentSegments } from '../adapters/evidence/publish/path.ts';
import { attemptDirectory } from '../adapters/run/run-directory.ts';
import type { Stage } from '../machines/model/domain.ts';
import type { JobView } from '../machines/protocol/projection.ts';

export interface StageLogRequest {
  readonly stateDir: string;
  /** Where logs are published on this host. */
  readonly publishedDir: string;
  readonly job: Pick<JobView, 'id' | 'attempt' | 'change' | 'patchset' | 'pipeline' | 'name'>;
  readonly stage: Stage;
  /** Epoch ms; null: the end of the log. */
  readonly moment: number | null;
}

export interface StageLog {
  /** The last lines before the moment, not escaped. */
  readonly lines: readonly string[];
  /** False: the lines have no times, so these are the last ones of all. */
  readonly isTimed: boolean;
}

/** What one answer reads at most; also what is searched for a line with a time. */
const READ_BYTES = 64 * 1024;

/** Null: no log of the stage is left on this host. */
export async function readStageLog(request: StageLogRequest): Promise<StageLog | null> {
  const file = (await openRunLog(request)) ?? (await openPublishedLog(request));
  if (file === null) return null;
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return null;
    const { moment } = request;
    const end = moment === null ? stat.size : await offsetAt(file, stat.size, moment);
    return { lines: await linesBefore(file, end ?? stat.size), isTimed: moment === null || end !== null };
  } finally {
    await file.close();
  }
}

async function openRunLog({ stateDir, job, stage }: StageLogRequest): Promise<FileHandle | null> {
  const attempt = attemptDirectory(stateDir, { job: job.id, attempt: job.attempt });
  return openBelow(dirname(attempt), [String(job.attempt), stage], 'log');
}

async function openPublishedLog({ publishedDir, job, stage }: StageLogRequest): Promise<FileHandle | null> {
  const segments = parentSegments({ ...job, patchset: job });
  for (const name of candidateNames(job.id)) {
    const parent = join(publishedDir, ...segments, name);
    const file = await openBelow(parent, [`attempt-${job.attempt}`], `${stage}.log`);
    if (file !== null) return file;
  }
  return null;
}

async function openBelow(root: string, names: readonly string[], file: string): Promise<FileHandle | null> {
  try {
    let directory = await Directory.at(root);
    for (const name of names) directory = await directory.using((parent) => parent.enter(name));
    return await directory.using((parent) => parent.openFile(file));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENXIO'].includes(errorCode(error) ?? '')) return null;
    throw error;
  }
}

/** Where the first line after the moment begins, by bisection; null: the lines have no times. */
async function offsetAt(file: FileHandle, size: number, moment: number): Promise<number | null> {
  if ((await timedLine(file, 0)) === null) return null;
  let [low, high] = [0, size];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const line = await timedLine(file, middle);
    if (line === null || line.at > moment || line.offset >= high) high = middle;
    else low = line.next;
  }
  return low;
}

/** The first line with a time that begins at or after the offset, within a bounded distance. */
async function timedLine(
  file: FileHandle,
  offset: number,
): Promise<{ readonly offset: number; readonly next: number; readonly at: number } | null> {
  const from = Math.max(0, offset - 1);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, from);
  const chunk = buffer.subarray(0, bytesRead);
  let start = offset === 0 ? 0 : chunk.indexOf(LINE_FEED) + 1;
  if (offset > 0 && start === 0) return null;
  while (start < chunk.length) {
    const feed = chunk.indexOf(LINE_FEED, start);
    const end = feed === -1 ? chunk.length : feed;
    const at = timeOf(chunk.toString('latin1', start, Math.min(end, start + HEAD_BYTES)));
    if (at !== null) return { offset: from + start, next: from + end + 1, at };
    start = end + 1;
  }
  return null;
}

const LINE_FEED = 0x0a;
const HEAD_BYTES = 64;
const TIME = /^\[?(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d{1,3}))?\d*(Z|[+-]\d\d:?\d\d)?/;

/** Epoch ms of the time at the beginning of a line, UTC unless it names a zone; null: there is none. */
function timeOf(head: string): number | null {
  const [match, date, time, fraction = '0', zone = 'Z'] = TIME.exec(head) ?? [];
  if (match === undefined) return null;
  const at = Date.parse(`${date}T${time}.${fraction.padEnd(3, '0')}${zone}`);
  return Number.isNaN(at) ? null : at;
}

async function linesBefore(file: FileHandle, end: number): Promise<readonly string[]> {
  const from = Math.max(0, end - READ_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(READ_BYTES), 0, end - from, from);
  const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
  if (lines.at(-1) === '') lines.pop();
  // The first line is cut, unless the log begins here.
  return (from > 0 && lines.length > 1 ? lines.slice(1) : lines).map((line) => line.replace(/\r$/, ''));
}
