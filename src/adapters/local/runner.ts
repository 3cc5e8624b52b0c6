/**
 * Runs stages on this host by the run-directory protocol: a command continues when the daemon dies, the next daemon
 * finds it again, and its end also ends every process that it started. The state of a run is in its directory; this
 * class holds no state that a restart could lose.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunHandle, Runner } from '../../engine/ports/adapters.ts';
import { OperationError, throwIfAborted } from '../../errors.ts';
import type { ResultsFormat, ResultsSpec, ResultsSummary, Server } from '../../machines/model/domain.ts';
import type { StageRun } from '../../machines/protocol/effects.ts';
import { after } from '../../timer.ts';
import { accountOfServer, asAccount } from '../run/account.ts';
import { errorCode, fileError } from '../run/fs-error.ts';
import { removeFirst } from '../run/remove-first.ts';
import { readPid, runDirectory } from '../run/run-directory.ts';
import type { RunBounds } from '../run/runner-protocol.ts';
import { readScript } from '../run/script-snapshot.ts';
import { type RunStage, refuseNul, runMarker, stageEnvironment, workTree } from '../run/stage-environment.ts';
import { groupsOf } from './cgroup.ts';
import { launch } from './launch.ts';
import { placeScript } from './place-script.ts';
import {
  endProcesses,
  type Membership,
  type Process,
  processStartTicks,
  processWithArgument,
  signalProcess,
} from './processes.ts';
import { openResults } from './results-file.ts';
import { RunWatch } from './run-watch.ts';

type Results = ResultsSummary | { readonly unreadable: string };

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** The interval between checks that the guard is alive. */
const GUARD_LOOK_MS = 200;

export interface LocalRunnerOptions extends RunBounds {
  readonly stateDir: string;
  /** Summarizes a results file; the format's reader bounds lines and names. */
  readonly readResults: (format: ResultsFormat, chunks: AsyncIterable<Uint8Array>) => Promise<Results>;
  /** How long a stop may take after everything was killed. */
  readonly killTimeoutMs: number;
  /** The interval of the slow poll of a run. */
  readonly safetyMs?: number;
  readonly resultsLimitBytes: number;
}

export class LocalRunner implements Runner {
  readonly #options: Required<LocalRunnerOptions>;

  constructor(options: LocalRunnerOptions) {
    this.#options = { safetyMs: 10_000, ...options };
  }

  async start(request: RunStage, signal: AbortSignal): Promise<RunHandle> {
    const { stateDir, graceMs, startTimeoutMs, endingTimeoutMs, safetyMs } = this.#options;
    const directory = runDirectory(stateDir, request.run.owner, request.run.stage);
    const { address } = request.run.server;
    const { PATH = DEFAULT_PATH, LANG = 'C.UTF-8' } = process.env;
    const environment = { PATH, LANG, ...stageEnvironment(request, address) };
    const { timeoutMs, outputLimitBytes, secrets = [] } = request.spec;
    if (secrets.length > 0) throw exposed(directory);
    const argv = removeFirst(request.spec.removes ?? [], await this.#argv(request, directory, signal));
    refuseNul(directory, [...argv, ...Object.values(environment)]);
    const tree = workTree(address);
    const account = await accountOfServer(address).catch((error: unknown) => {
      throw fileError('start stage', address, error);
    });
    const command = account === null ? argv : asAccount(account, argv);
    const bounds = { timeoutMs, outputLimitBytes, graceMs, startTimeoutMs, endingTimeoutMs };
    const { pid, ours } = await launch(
      { directory, workTree: tree, argv: command, environment, ...bounds },
      signal,
    );
    const watch = new RunWatch(directory, safetyMs);
    return { pid, adopted: !ours, ended: watch.ended, detach: () => watch.detach() };
  }

  /** A run that was started before keeps its own copy of the script. */
  async #argv({ spec, run }: RunStage, directory: string, signal: AbortSignal): Promise<readonly string[]> {
    if ('argv' in spec) return spec.argv;
    try {
      if ((await readPid(directory, 'pid')) !== null) return [];
      const snapshot = await readScript(spec.script, signal);
      const program = await placeScript(run.server.address, run.stage, snapshot);
      return [program, ...spec.script.arguments];
    } catch (error) {
      throw fileError('copy script', spec.script.program, error);
    }
  }

  async stop(run: StageRun, signal: AbortSignal): Promise<void> {
    const directory = runDirectory(this.#options.stateDir, run.owner, run.stage);
    try {
      throwIfAborted(signal, 'stop stage', directory);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // The mark comes first, so that a concurrent start either sees it or is found below.
      const unmarked = await mark(directory);
      if ((await readPid(directory, 'pid')) !== null) await this.#end(directory, run.server, signal);
      else if (unmarked !== null) throw unmarked;
    } catch (error) {
      throw fileError('stop stage', directory, error);
    }
  }

  async readResults(
    server: Server,
    results: ResultsSpec,
    _timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Results> {
    try {
      throwIfAborted(signal, 'read results', results.file);
      const { resultsLimitBytes, readResults } = this.#options;
      const opened = await openResults(workTree(server.address), results.file, resultsLimitBytes);
      return 'unreadable' in opened
        ? opened
        : await readResults(results.format, untilAborted(opened.stream, signal, results.file));
    } catch (error) {
      throw fileError('read results', results.file, error);
    }
  }

  /** Ends the run through the runner's guard, and then kills whatever the guard left. */
  async #end(directory: string, server: Server, signal: AbortSignal): Promise<void> {
    const { graceMs, killTimeoutMs, safetyMs } = this.#options;
    const watch = new RunWatch(directory, safetyMs);
    try {
      const guard = await this.#find(directory, 'guard');
      if (guard !== null) await endByGuard(watch, guard, graceMs + killTimeoutMs, signal);
      await this.#endMembers(directory, server, signal);
      if (await within(watch, killTimeoutMs, signal)) return;
      throwIfAborted(signal, 'stop stage', directory);
      // The runner has lost its command and writes no ending: it is stopped or stuck. Killing it makes the run count as
      // lost.
      const runner = await this.#find(directory, 'pid');
      if (runner !== null) signalProcess(runner, 'SIGKILL');
      if (await within(watch, killTimeoutMs, signal)) return;
      throwIfAborted(signal, 'stop stage', directory);
      throw unended(directory, 'its lock is still held');
    } finally {
      watch.detach();
    }
  }

  async #endMembers(directory: string, server: Server, signal: AbortSignal): Promise<void> {
    const { graceMs, killTimeoutMs } = this.#options;
    const runner = await readPid(directory, 'pid');
    const members: Membership = {
      marker: runMarker(directory),
      locks: [join(directory, 'lock')],
      groups: await groupsOf(server, [directory]),
      except: runner === null ? [] : [runner],
    };
    const left = await endProcesses(members, { graceMs, limitMs: graceMs + killTimeoutMs, signal });
    throwIfAborted(signal, 'stop stage', directory);
    if (left.length === 0) return;
    throw unended(directory, `processes are left: ${left.map(({ pid }) => pid).join(', ')}`);
  }

  async #find(directory: string, file: 'pid' | 'guard') {
    const pid = await readPid(directory, file);
    return pid === null ? null : processWithArgument(pid, directory);
  }
}

/**
 * Writes the file `stop`, which prevents the run from starting. Returns the error on failure, because a full disk must
 * not prevent the end of a run.
 */
async function mark(directory: string): Promise<Error | null> {
  try {
    await writeFile(join(directory, 'stop'), '');
    return null;
  } catch (error) {
    if (errorCode(error) === null) throw error;
    return error as Error;
  }
}

/** Returns when the run has ended, and also when the guard is gone, because a killed guard cannot end the run. */
async function endByGuard(
  watch: RunWatch,
  guard: Process,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const limit = performance.now() + limitMs;
  signalProcess(guard, 'SIGTERM');
  while (processStartTicks(guard.pid) === guard.startTicks && performance.now() < limit && !signal.aborted) {
    if (await within(watch, GUARD_LOOK_MS, signal)) return;
  }
}

/** True: the run has ended or was lost within this time. False immediately when the signal aborts. */
function within(watch: RunWatch, ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (ended: boolean) => {
      cancel();
      signal.removeEventListener('abort', abort);
      resolve(ended);
    };
    const abort = () => finish(false);
    const cancel = after(ms, abort);
    signal.addEventListener('abort', abort, { once: true });
    void watch.ended.then(() => finish(true));
    if (signal.aborted) abort();
  });
}

async function* untilAborted(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  file: string,
): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) {
    throwIfAborted(signal, 'read results', file);
    yield chunk;
  }
}

/** The configuration refuses it; a job of an older log may still ask for it. */
function exposed(directory: string): OperationError {
  return new OperationError({
    operation: 'start stage',
    target: directory,
    message: 'the job has secrets, which would stay readable on this host',
    retryable: false,
    hint: 'use another provider for this job',
  });
}

function unended(directory: string, message: string): OperationError {
  return new OperationError({
    operation: 'stop stage',
    target: directory,
    message,
    retryable: true,
    hint: 'look for processes in uninterruptible sleep (state D) on this host',
  });
}
