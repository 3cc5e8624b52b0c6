/**
 * The directory for the state of a run that must outlive the daemon, and the readers of its files. runner.sh writes the
 * files; its header documents each of them.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RunOutcome } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import type { Ownership, Stage } from '../../machines/model/domain.ts';
import { writeAtomically } from './atomic-file.ts';
import { errorCode, fileError } from './fs-error.ts';

type RunOwner = Pick<Ownership, 'job' | 'attempt'>;

/** All runs of one attempt of a job. */
export function attemptDirectory(stateDir: string, owner: RunOwner): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(owner.job)) {
    throw new OperationError({
      operation: 'find run directory',
      target: owner.job,
      message: 'the id of the job cannot be the name of a directory',
      retryable: false,
      hint: 'report this bug: sos-ci creates the ids of jobs itself',
    });
  }
  return resolve(stateDir, 'runs', owner.job, String(owner.attempt));
}

/** The console of the attempt's server, if the server did not become ready. */
export const CONSOLE_LOG = 'console.log';
/** Nova keeps 100 KB. Of more, the end is kept. */
const MAX_CONSOLE_CHARACTERS = 1024 ** 2;

/** Keeps the console for the job's evidence. Never rejects: why the server was not ready is the error that counts. */
export async function writeConsole(stateDir: string, owner: RunOwner, text: string): Promise<void> {
  const directory = attemptDirectory(stateDir, owner);
  const end = text.slice(-MAX_CONSOLE_CHARACTERS);
  await mkdir(directory, { recursive: true, mode: 0o700 })
    .then(() => writeAtomically(join(directory, CONSOLE_LOG), end))
    .catch(() => undefined);
}

export function runDirectory(stateDir: string, owner: RunOwner, stage: Stage): string {
  return join(attemptDirectory(stateDir, owner), stage);
}

/** The process id in the file `pid` or `guard`; null: not written yet. */
export async function readPid(directory: string, file: 'pid' | 'guard'): Promise<number | null> {
  const text = await readIfThere(join(directory, file));
  return text === null ? null : parsePid(text);
}

/**
 * How the run ended; null: it has no ending, or none yet. An empty file counts as none, because a power cut can leave
 * one.
 */
export async function readEnding(directory: string): Promise<RunOutcome | null> {
  const text = await readIfThere(join(directory, 'rc'));
  return text === null || text.trim() === '' ? null : parseEnding(text);
}

/** Parses the complete file, including the line end. Null: the text is not a process id. */
function parsePid(text: string): number | null {
  return /^\d{1,10}\n$/.test(text) ? Number(text) : null;
}

/** Parses the complete text of the file `rc`. */
export function parseEnding(text: string): RunOutcome {
  const [, how, number] = /^(exited|killed|timedOut|stopped)(?: (\d{1,3}))? *\n$/.exec(text) ?? [];
  if (how === 'exited' && number !== undefined) return { how, code: Number(number) };
  if (how === 'killed' && number !== undefined) return { how, signal: Number(number) };
  if ((how === 'timedOut' || how === 'stopped') && number === undefined) return { how };
  return { how: 'lost', why: 'its ending is damaged: the file rc is invalid' };
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'latin1');
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw fileError('read run directory', file, error);
  }
}
