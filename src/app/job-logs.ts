/**
 * Finds the logs of a job's stages on this host, without a daemon: in its run directories while it runs, among the collected
 * evidence until that is published, then in the published directory if it is on this host. The output of a stage on a node
 * is in a run directory too: the daemon copies it there as it arrives. A job can tamper with all of them, so no link is
 * followed, and only regular files are read.
 */
import { type FileHandle, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { COLLECTED_FILES, COLLECTED_LIST, parseCollected } from '../adapters/evidence/collect/collected.ts';
import { readEnd } from '../adapters/evidence/collect/stage-logs.ts';
import { Directory, errorCode } from '../adapters/evidence/files/dir-handle.ts';
import { readChunks } from '../adapters/evidence/files/new-file.ts';
import { checkJobId } from '../adapters/evidence/files/safe-names.ts';
import { type FailedStage, failedStage, StageLog } from '../adapters/evidence/publish/failed-stage.ts';
import { nameInLog } from '../adapters/evidence/publish/failed-tests.ts';
import { LineSplitter, type LogLine } from '../adapters/evidence/publish/log-lines.ts';
import { withoutControlSequences } from '../adapters/evidence/publish/log-page.ts';
import { MAX_MANIFEST_BYTES, readManifest } from '../adapters/evidence/publish/manifest.ts';
import { candidateNames, parentSegments } from '../adapters/evidence/publish/path.ts';
import type { JobView } from '../engine/ports/store.ts';
import { STAGES } from '../machines/model/domain.ts';

/** A log that exists. */
export interface JobLog {
  readonly attempt: number;
  readonly stage: string;
  /** `exited 1`, `killed 9`, `timedOut`, `stopped`; null: it runs, or left no ending. */
  readonly end: string | null;
  /** For people: the file may be moved at any time. */
  readonly path: string;
  readonly file: FileHandle;
}

type JobOfLogs = Pick<JobView, 'id' | 'attempt' | 'change' | 'patchset' | 'pipeline' | 'name'>;

/** The logs in the job's run directories, in the order in which they began. The caller closes their files. */
export async function runLogs(
  stateDir: string,
  { id, attempt: attempts }: JobOfLogs,
): Promise<readonly JobLog[]> {
  const logs: JobLog[] = [];
  for (let attempt = 1; attempt <= attempts; attempt++) {
    for (const stage of STAGES) {
      const path = ['runs', checkJobId(id), String(attempt), stage, 'log'];
      const file = await openBelow(stateDir, path);
      if (file === null) continue;
      const run = await directoryBelow(stateDir, path.slice(0, -1));
      const end = run === null ? null : await run.using(async () => (await readEnd(run)).end);
      logs.push({ attempt, stage, end, path: join(stateDir, ...path), file });
    }
  }
  return logs;
}

/** The logs among the evidence that was collected and is not published yet. */
export async function collectedLogs(stateDir: string, { id }: JobOfLogs): Promise<readonly JobLog[]> {
  const root = join(stateDir, 'evidence');
  const list = await openBelow(root, [checkJobId(id), COLLECTED_LIST]);
  if (list === null) return [];
  try {
    const { size } = await list.stat();
    const collected = size > MAX_MANIFEST_BYTES ? null : parseCollected(await list.readFile('utf8'));
    return listedLogs(root, [id, COLLECTED_FILES], collected?.stages ?? []);
  } finally {
    await list.close();
  }
}

/** The logs in the published directory of the job. @param root of all logs, on this host */
export async function publishedLogs(root: string, job: JobOfLogs): Promise<readonly JobLog[]> {
  const { change, patchset, pipeline, name } = job;
  const parent = parentSegments({ pipeline, name, patchset: { change, patchset } });
  for (const candidate of candidateNames(job.id)) {
    const segments = [...parent, candidate];
    const directory = await directoryBelow(root, segments);
    const manifest = directory === null ? null : await directory.using(() => readManifest(directory));
    if (manifest?.job === job.id) return listedLogs(root, segments, manifest.stages);
  }
  return [];
}

interface ListedStage {
  readonly attempt: number;
  readonly stage: string;
  readonly end: string | null;
  readonly log: string | null;
}

async function listedLogs(
  root: string,
  segments: readonly string[],
  stages: readonly ListedStage[],
): Promise<readonly JobLog[]> {
  const logs: JobLog[] = [];
  for (const { attempt, stage, end, log } of stages) {
    if (log === null || log.split('/').includes('..')) continue;
    const path = [...segments, ...log.split('/')];
    const file = await openBelow(root, path);
    if (file !== null) logs.push({ attempt, stage, end, path: join(root, ...path), file });
  }
  return logs;
}

/** A regular file below a directory of ours; null if it is anything else, or cannot be opened. */
async function openBelow(root: string, segments: readonly string[]): Promise<FileHandle | null> {
  const directory = await directoryBelow(root, segments.slice(0, -1));
  if (directory === null) return null;
  const file = await ifUsable(directory.using(() => directory.openFile(segments.at(-1) ?? '')));
  if (file === null || (await file.stat()).isFile()) return file;
  await file.close();
  return null;
}

async function directoryBelow(root: string, segments: readonly string[]): Promise<Directory | null> {
  // The root itself may be a link that the operator created.
  let directory = await ifUsable(realpath(root).then((path) => Directory.at(path)));
  for (const segment of segments) {
    if (directory === null) return null;
    const parent: Directory = directory;
    directory = await ifUsable(parent.using(() => parent.enter(segment)));
  }
  return directory;
}

/** The operator may read the database and not the evidence; a job may have put anything in the place of a file. */
const UNUSABLE = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EACCES'];

async function ifUsable<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (error) {
    if (UNUSABLE.includes(errorCode(error))) return null;
    throw error;
  }
}

/** What is shown around the line of a failed test. */
const LINES_BEFORE = 10;
const LINES_AFTER = 20;
/** The maximum length of a shown line, in characters. */
const LINE_LIMIT = 500;

export interface Failure extends Pick<JobLog, 'attempt' | 'stage' | 'end' | 'path'> {
  /** The name of the test, null: no line of the log names a failed test, so its end is shown. */
  readonly test: string | null;
  /** The number of the line that reports the failure: the result of the test, or the last line. */
  readonly line: number;
  readonly lines: readonly Pick<LogLine, 'number' | 'text'>[];
}

/**
 * The first failure in the log of the stage that the page of the job explains. Null: no stage has failed.
 * @param tests names of failed tests; without them only a stage that did not exit with 0 has failed
 */
export async function firstFailure(
  logs: readonly JobLog[],
  tests: readonly string[],
): Promise<Failure | null> {
  const entries = logs.map((log) => ({ ...log, startedAt: null, endedAt: null, log: log.path }));
  const failed = failedStage(entries.filter(({ end }) => end !== null));
  if (failed === null || (failed.end === 'exited 0' && tests.length === 0)) return null;
  const log = logs.find(({ path }) => path === failed.log);
  if (log === undefined) return null;
  const { attempt, stage, end, path } = log;
  const names = tests.map(nameInLog);
  const watched = new StageLog(names);
  for await (const line of linesOf(log.file)) watched.line(line);
  const found = names.map((name) => ({ name, line: watched.lineOf(name) ?? Number.POSITIVE_INFINITY }));
  const first = found.reduce((one, other) => (other.line < one.line ? other : one), NOTHING);
  const place = { attempt, stage, end, path };
  if (first === NOTHING) return { ...place, test: null, ...endOf(watched.end) };
  const lines: LogLine[] = [];
  for await (const line of linesOf(log.file)) {
    if (line.number > first.line + LINES_AFTER) break;
    if (line.number >= first.line - LINES_BEFORE)
      lines.push({ ...line, text: line.text.slice(0, LINE_LIMIT) });
  }
  return { ...place, test: first.name, line: first.line, lines };
}

const NOTHING = { name: '', line: Number.POSITIVE_INFINITY };

function endOf({ lastLines, firstLine }: Pick<FailedStage, 'lastLines' | 'firstLine'>) {
  const lines = lastLines.map((text, index) => ({ number: firstLine + index, text }));
  return { lines, line: lines.at(-1)?.number ?? 0 };
}

/** As the page of the log has them. Memory does not grow with the log or with a line. */
async function* linesOf(file: FileHandle): AsyncGenerator<LogLine> {
  const splitter = new LineSplitter();
  const { size } = await file.stat();
  for await (const chunk of readChunks(file, size, new AbortController().signal)) {
    for (const line of splitter.push(chunk)) yield withoutControlSequences(line);
  }
  for (const line of splitter.end()) yield withoutControlSequences(line);
}
