/**
 * Runs the operator's playbooks as programs: of a provider, or to publish evidence. Each gets one request as its
 * variable `sos_ci`, and writes its answer as JSON to the file `sos_ci.answer_file`. It runs in a temporary directory.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RunHandle, RunOutcome } from '../../engine/ports/adapters.ts';
import { AbortedError, OperationError, raceAbort, throwIfAborted } from '../../errors.ts';
import { errorCode, fileError } from '../run/fs-error.ts';
import type { HostRuns } from '../run/host-runs.ts';
import { readFailure } from './events.ts';
import { findAnsible } from './find-ansible.ts';
import { playCommand } from './play-command.ts';
import { eventsFile, workspaceDirectory, writePlainWorkspace } from './workspace.ts';

export interface PlaybookProgramOptions {
  readonly stateDir: string;
  readonly host: HostRuns;
  readonly inventory: string | null;
  readonly variableFiles: readonly string[];
  /** Where programs are looked for; by default the daemon's PATH. */
  readonly searchPath?: string;
}

/** One request to a playbook. */
export interface PlaybookCall {
  readonly operation: string;
  /** Only the path of the playbook. */
  readonly argv: readonly string[];
  readonly input: object;
  /** Used instead of a new run directory; a run that a killed daemon left there is continued. */
  readonly directory?: string;
  readonly timeoutMs: number;
  readonly outputLimitBytes: number;
  readonly signal: AbortSignal;
}

const REMOVE_ATTEMPTS = 5;
/** Age after which a later call removes the directory of a killed daemon. */
const LEFTOVER_MS = 24 * 3_600_000;

/** Resolves to the answer; null if the playbook wrote none. */
export function playbookProgram(options: PlaybookProgramOptions): (call: PlaybookCall) => Promise<unknown> {
  return async (call) => {
    const calls = join(options.stateDir, 'ansible-calls');
    const directory = call.directory ?? join(calls, randomBytes(8).toString('hex'));
    try {
      for (const path of [calls, directory]) await mkdir(path, { recursive: true, mode: 0o700 });
      await removeLeftovers(calls);
      const answer = join(workspaceDirectory(directory), 'answer.json');
      await play(call, options, directory, answer);
      return await readAnswer(answer, call);
    } catch (error) {
      throw fileError(call.operation, call.argv[0] ?? '', error);
    } finally {
      // The runner may still write for a moment after the end. A later call removes the rest.
      await rm(directory, { recursive: true, force: true, maxRetries: REMOVE_ATTEMPTS }).catch(() => {});
    }
  };
}

async function play(
  call: PlaybookCall,
  options: PlaybookProgramOptions,
  directory: string,
  answer: string,
): Promise<void> {
  const { host, stateDir, searchPath = process.env.PATH ?? '' } = options;
  const { timeoutMs, outputLimitBytes, signal } = call;
  const ansible = await findAnsible(stateDir, searchPath);
  const { options: files, environment } = await writePlainWorkspace(directory, options, {
    ...call.input,
    answer_file: answer,
  });
  const run = {
    directory,
    workTree: workspaceDirectory(directory),
    argv: playCommand(directory, 1, [ansible, ...files, '--', ...call.argv]),
    environment: { ...environment, PATH: `${dirname(ansible)}:${searchPath}` },
    ...{ timeoutMs, outputLimitBytes },
  };
  throwIfAborted(signal, call.operation, call.argv[0] ?? '');
  let handle: RunHandle | null = null;
  try {
    handle = await host.start(run, signal);
    const aborted = () => new AbortedError(call.operation, call.argv[0] ?? '');
    const outcome = await raceAbort(handle.ended, signal, aborted);
    if (outcome.how === 'exited' && outcome.code === 0) return;
    throw failed(call, await explain(outcome, directory));
  } finally {
    handle?.detach();
    // Kills all its processes, even if it was aborted while it started.
    await host.stop(directory, NO_SERVER, new AbortController().signal);
  }
}

/** The run belongs to no server. */
const NO_SERVER = { id: 'playbook', name: 'playbook', address: '', provider: '' };

async function explain(outcome: RunOutcome, directory: string): Promise<string> {
  const failure = await readFailure(eventsFile(directory)).catch(() => null);
  if (failure !== null) return `task "${failure.task}" failed on ${failure.host}: ${failure.message}`;
  if (outcome.how === 'exited') return `ansible-playbook exited with ${outcome.code}`;
  return outcome.how === 'timedOut' ? 'not done in time' : `ansible-playbook ended: ${outcome.how}`;
}

async function readAnswer(file: string, call: PlaybookCall): Promise<unknown> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size } = await handle.stat();
      if (size > call.outputLimitBytes)
        throw failed(call, `its answer is larger than ${call.outputLimitBytes} bytes`);
      return JSON.parse(await handle.readFile('utf8'));
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    if (error instanceof SyntaxError) throw failed(call, 'its answer is not JSON');
    throw error;
  }
}

async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const stats = await stat(path).catch(() => null);
    if (stats !== null && Date.now() - stats.mtimeMs > LEFTOVER_MS)
      await rm(path, { recursive: true, force: true });
  }
}

function failed({ operation, argv }: PlaybookCall, message: string): OperationError {
  return new OperationError({
    operation,
    target: argv.join(' ').slice(0, 200),
    message: `${argv[0]}: ${message}`,
    retryable: true,
    hint: 'run the playbook by hand',
  });
}
