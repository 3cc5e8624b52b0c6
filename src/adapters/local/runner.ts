/**
 * Runs stages on this host by the run-directory protocol: a command continues when the daemon dies, the next daemon
 * attaches to it, and its end also ends every process that it started. The state of a run is in its directory; this
 * class holds no state that a restart could lose.
 */
import type { ResultsRead, RunHandle, Runner } from '../../engine/ports/adapters.ts';
import { OperationError, throwIfAborted } from '../../errors.ts';
import type { ResultsFormat, ResultsSpec, Server } from '../../machines/model/domain.ts';
import type { StageRun } from '../../machines/protocol/effects.ts';
import { accountOfServer, asAccount } from '../run/account.ts';
import { fileError } from '../run/fs-error.ts';
import { removeFirst } from '../run/remove-first.ts';
import { readPid, runDirectory } from '../run/run-directory.ts';
import { readScript } from '../run/script-snapshot.ts';
import { type RunStage, refuseNul, stageEnvironment, workTree } from '../run/stage-environment.ts';
import { copyScript } from './copy-script.ts';
import { LocalRuns, type LocalRunsOptions } from './local-runs.ts';
import { openResults } from './results-file.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface LocalRunnerOptions extends LocalRunsOptions {
  readonly stateDir: string;
  /** Summarizes a results file; the format's reader bounds lines and names. */
  readonly readResults: (format: ResultsFormat, chunks: AsyncIterable<Uint8Array>) => Promise<ResultsRead>;
  readonly resultsLimitBytes: number;
}

export class LocalRunner implements Runner {
  readonly #options: LocalRunnerOptions;
  readonly #runs: LocalRuns;

  constructor(options: LocalRunnerOptions) {
    this.#options = options;
    this.#runs = new LocalRuns(options);
  }

  async start(request: RunStage, signal: AbortSignal): Promise<RunHandle> {
    const directory = runDirectory(this.#options.stateDir, request.run.owner, request.run.stage);
    const { address } = request.run.server;
    const { PATH = DEFAULT_PATH, LANG = 'C.UTF-8' } = process.env;
    const environment = { PATH, LANG, ...stageEnvironment(request, address) };
    const { timeoutMs, outputLimitBytes, secrets = [] } = request.spec;
    if (secrets.length > 0)
      throw refusal(directory, 'the job has secrets, which would stay readable on this host');
    const argv = removeFirst(request.spec.removes ?? [], await this.#argv(request, directory, signal));
    refuseNul(directory, [...argv, ...Object.values(environment)]);
    const tree = workTree(address);
    const account = await accountOfServer(address).catch((error: unknown) => {
      throw fileError('start stage', address, error);
    });
    const command = account === null ? argv : asAccount(account, argv);
    const run = { directory, workTree: tree, argv: command, environment, timeoutMs, outputLimitBytes };
    return this.#runs.start(run, signal);
  }

  /** A run that was started before keeps its own copy of the script. */
  async #argv({ spec, run }: RunStage, directory: string, signal: AbortSignal): Promise<readonly string[]> {
    if ('argv' in spec) return spec.argv;
    if ('playbook' in spec) throw refusal(directory, 'a playbook needs a node, and this host is not one');
    try {
      if ((await readPid(directory, 'pid')) !== null) return [];
      const snapshot = await readScript(spec.script, signal);
      const program = await copyScript(run.server.address, run.stage, snapshot);
      return [program, ...spec.script.arguments];
    } catch (error) {
      throw fileError('copy script', spec.script.program, error);
    }
  }

  stop(run: StageRun, signal: AbortSignal): Promise<void> {
    return this.#runs.stop(runDirectory(this.#options.stateDir, run.owner, run.stage), run.server, signal);
  }

  async readResults(
    server: Server,
    results: ResultsSpec,
    _timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ResultsRead> {
    try {
      throwIfAborted(signal, 'read results', results.file);
      const { resultsLimitBytes, readResults } = this.#options;
      const opened = await openResults(workTree(server.address), results.file, resultsLimitBytes);
      return 'unreadable' in opened
        ? opened
        : await readResults(results.format, untilAborted(opened.chunks, signal, results.file));
    } catch (error) {
      throw fileError('read results', results.file, error);
    }
  }
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

/** The configuration refuses it; a job of an older log may still request it. */
function refusal(target: string, message: string): OperationError {
  const hint = 'use another provider for this job';
  return new OperationError({ operation: 'start stage', target, message, retryable: false, hint });
}
