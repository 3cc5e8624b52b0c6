/**
 * Runs stages on nodes by the run-directory protocol, with the same runner file as on this host. A command continues
 * when the connection is cut, when the daemon dies or is replaced, and when no process watches it; reading its output
 * resumes at the last offset. The state of a run is in its directory on the node and in the local mirror of that
 * directory.
 */
import { randomBytes } from 'node:crypto';
import type {
  ContactListener,
  ResultsRead,
  RunHandle,
  Runner,
  RunOutcome,
} from '../../engine/ports/adapters.ts';
import { throwIfAborted } from '../../errors.ts';
import type { SecretValues } from '../../log.ts';
import type { ResultsFormat, ResultsSpec, Server } from '../../machines/model/domain.ts';
import type { StageRun } from '../../machines/protocol/effects.ts';
import { readJobSecrets, SECRETS_VARIABLE } from '../run/job-secrets.ts';
import { removeFirst } from '../run/remove-first.ts';
import { readEnding, readPid, runDirectory } from '../run/run-directory.ts';
import type { RunBounds } from '../run/runner-protocol.ts';
import { readScript } from '../run/script-snapshot.ts';
import { type RunStage, refuseNul, stageEnvironment, workTree } from '../run/stage-environment.ts';
import { launch } from './launch.ts';
import type { Node } from './node.ts';
import type { NodePool } from './node-pool.ts';
import { readRemoteResults } from './results.ts';
import { RunFollower, type Watched } from './run-follower.ts';
import { RunMirror } from './run-mirror.ts';
import { sendScript } from './send-script.ts';
import { secretsDirectory, sendSecrets } from './send-secrets.ts';
import { remoteDirectory, stopRun } from './stop-run.ts';

export interface SshRunnerOptions extends RunBounds {
  readonly stateDir: string;
  readonly nodes: NodePool;
  /** The values that evidence and logs redact. */
  readonly redact: SecretValues;
  /** Summarizes a results file; the format's reader bounds lines and names. */
  readonly readResults: (format: ResultsFormat, chunks: AsyncIterable<Uint8Array>) => Promise<ResultsRead>;
  /** How long a stop may take after everything was killed. */
  readonly killTimeoutMs: number;
  readonly resultsLimitBytes: number;
}

/** Space for the runner's own notes in a log. */
const NOTES_BYTES = 1024;

export class SshRunner implements Runner {
  readonly #options: SshRunnerOptions;
  /** By the mirror's directory. */
  readonly #followers = new Map<string, RunFollower>();

  constructor(options: SshRunnerOptions) {
    this.#options = options;
  }

  async start(
    request: RunStage,
    signal: AbortSignal,
    onContact: ContactListener = () => {},
  ): Promise<RunHandle> {
    const { run, spec } = request;
    const mirror = runDirectory(this.#options.stateDir, run.owner, run.stage);
    throwIfAborted(signal, 'start stage', run.server.address);
    const node = this.#options.nodes.get(run.server);
    const known = await readPid(mirror, 'pid');
    const { pid, startedHere } =
      known === null
        ? await this.#launch(request, node, mirror, signal, onContact)
        : { pid: known, startedHere: false };
    const ending = await readEnding(mirror);
    const watched =
      ending === null
        ? this.#watch(run, node, mirror, spec.outputLimitBytes, onContact)
        : alreadyEnded(ending);
    return { pid, adopted: !startedHere, ...watched };
  }

  stop(run: StageRun, signal: AbortSignal): Promise<void> {
    return stopRun('run', run, this.#options, signal);
  }

  async readResults(
    server: Server,
    results: ResultsSpec,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ResultsRead> {
    const { nodes, readResults, resultsLimitBytes } = this.#options;
    const node = nodes.get(server);
    const task = { operation: 'read results', timeoutMs, signal };
    const tree = workTree(node.address.directory);
    return node.using(task, (connection, within) =>
      readRemoteResults({
        connection,
        signal: within,
        tree,
        file: results.file,
        limitBytes: resultsLimitBytes,
        requestTimeoutMs: node.config.commandTimeoutMs,
        read: (chunks) => readResults(results.format, chunks),
      }),
    );
  }

  async #launch(
    request: RunStage,
    node: Node,
    mirror: string,
    signal: AbortSignal,
    onContact: ContactListener,
  ) {
    const { startTimeoutMs, graceMs, endingTimeoutMs } = this.#options;
    const { commandTimeoutMs, reconnectTimeoutMs } = node.config;
    const { timeoutMs, outputLimitBytes, removes = [] } = request.spec;
    if ('playbook' in request.spec) throw new Error('a playbook runs on the host of the daemon');
    const script = 'script' in request.spec ? await readScript(request.spec.script, signal) : null;
    const command = 'argv' in request.spec ? request.spec.argv : request.spec.script.arguments;
    const secrets = await readJobSecrets(request.spec.secrets ?? [], this.#options.redact);
    const environment = {
      ...stageEnvironment(request, node.address.directory),
      ...(secrets.length === 0 ? {} : { [SECRETS_VARIABLE]: secretsDirectory(node.address.directory) }),
    };
    refuseNul(mirror, [...command, ...Object.values(environment)]);
    const run = {
      ...{ timeoutMs, outputLimitBytes, environment },
      ...{ graceMs, startTimeoutMs, endingTimeoutMs, commandTimeoutMs },
      server: node.address.directory,
      directory: remoteDirectory(node, request.run),
      workTree: workTree(node.address.directory),
    };
    const timeout = reconnectTimeoutMs + startTimeoutMs;
    const task = { operation: 'start stage', timeoutMs: timeout, signal, onContact };
    const started = await node.using(task, async (connection, within) => {
      await sendSecrets(secrets, { connection, ...run }, within);
      if (script === null) return launch({ ...run, argv: removeFirst(removes, command) }, connection, within);
      const directory = `${run.server}/script-${request.run.stage}-${randomBytes(4).toString('hex')}`;
      await sendScript(script, directory, { connection, ...run }, within);
      const argv = removeFirst(removes, [`${directory}/${script.program}`, ...command]);
      return launch({ ...run, argv }, connection, within);
    });
    const runMirror = await RunMirror.open(mirror, outputLimitBytes);
    try {
      await runMirror.savePid(started.pid);
    } finally {
      await runMirror.close();
    }
    return started;
  }

  /** All watchers of one run share one follower, because only one may write its mirror. */
  #watch(
    run: StageRun,
    node: Node,
    mirror: string,
    outputLimitBytes: number,
    onContact: ContactListener,
  ): Watched {
    const known = this.#followers.get(mirror);
    if (known !== undefined && !known.isStopped) return known.watch(onContact);
    const follower = new RunFollower({
      node,
      directory: remoteDirectory(node, run),
      mirror,
      limitBytes: outputLimitBytes + NOTES_BYTES,
      after: known?.closed ?? Promise.resolve(),
    });
    this.#followers.set(mirror, follower);
    void follower.closed.then(() => {
      if (this.#followers.get(mirror) === follower) this.#followers.delete(mirror);
    });
    return follower.watch(onContact);
  }
}

function alreadyEnded(outcome: RunOutcome): Watched {
  return { ended: Promise.resolve(outcome), detach: () => {} };
}
