/**
 * Runs playbooks on this host, against nodes, with the run-directory protocol: a playbook continues when the daemon
 * dies, and the next daemon attaches to it. The other runner runs every other stage, and reads results.
 */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import type { ContactListener, RunHandle, Runner, RunOutcome } from '../../engine/ports/adapters.ts';
import { throwIfAborted } from '../../errors.ts';
import type { PlaybookStage, ResultsSpec, Server } from '../../machines/model/domain.ts';
import type { StageRun } from '../../machines/protocol/effects.ts';
import { fileError } from '../run/fs-error.ts';
import type { HostRun, HostRuns } from '../run/host-runs.ts';
import type { NodeLogin, PlaybookNodes } from '../run/playbook-node.ts';
import { readPid, runDirectory } from '../run/run-directory.ts';
import { type RunStage, refuseNul } from '../run/stage-environment.ts';
import { confinedCommand } from './confine.ts';
import { readFacts, readFailure } from './events.ts';
import { findAnsible, findBubblewrap } from './find-ansible.ts';
import { playCommand } from './play-command.ts';
import { eventsFile, searchedDirectories, workspaceDirectory, writeWorkspace } from './workspace.ts';

export interface PlaybookRunnerOptions {
  readonly stateDir: string;
  readonly host: HostRuns;
  readonly nodes: PlaybookNodes;
  /** Runs every stage that is not a playbook. */
  readonly others: Runner;
  /** Files of the daemon that a confined playbook must not read. */
  readonly hidden: readonly string[];
  /** Where programs are looked for; by default the daemon's PATH. */
  readonly searchPath?: string;
}

type Playbook = PlaybookStage['playbook'];

/** A playbook that is killed more often is too large for this host. */
const TRIES = 3;

export class PlaybookRunner implements Runner {
  readonly #options: PlaybookRunnerOptions;

  constructor(options: PlaybookRunnerOptions) {
    this.#options = options;
  }

  /** Ansible itself finds out whether the node answers, and ends the playbook when it does not. */
  async start(request: RunStage, signal: AbortSignal, onContact?: ContactListener): Promise<RunHandle> {
    const { run, spec } = request;
    if (!('playbook' in spec)) return this.#options.others.start(request, signal, onContact);
    const directory = this.#directory(run);
    throwIfAborted(signal, 'start stage', directory);
    try {
      // From here on, a stop finds this run.
      await mkdir(workspaceDirectory(directory), { recursive: true, mode: 0o700 });
      const { timeoutMs, outputLimitBytes } = spec;
      const known = (await readPid(directory, 'pid')) !== null;
      const command = known ? NO_COMMAND : await this.#command(request, spec.playbook, directory, signal);
      const hostRun: HostRun = {
        directory,
        workTree: workspaceDirectory(directory),
        timeoutMs,
        outputLimitBytes,
        ...command,
      };
      const handle = await this.#options.host.start(hostRun, signal);
      return { ...handle, ended: handle.ended.then((outcome) => this.#settle(run, directory, outcome)) };
    } catch (error) {
      throw fileError('start stage', directory, error);
    }
  }

  async stop(run: StageRun, signal: AbortSignal): Promise<void> {
    const { host, nodes, others } = this.#options;
    const directory = this.#directory(run);
    throwIfAborted(signal, 'stop stage', directory);
    // Written before the check, so that a playbook that starts after it finds the mark.
    await writeStopMark(directory);
    if (!(await exists(workspaceDirectory(directory)))) return others.stop(run, signal);
    await host.stop(directory, run.server, signal);
    await nodes.stop(run, signal);
  }

  readResults(server: Server, results: ResultsSpec, timeoutMs: number, signal: AbortSignal) {
    return this.#options.others.readResults(server, results, timeoutMs, signal);
  }

  #directory(run: StageRun): string {
    return runDirectory(this.#options.stateDir, run.owner, run.stage);
  }

  async #command(request: RunStage, playbook: Playbook, directory: string, signal: AbortSignal) {
    const { stateDir, nodes, searchPath = process.env.PATH ?? '' } = this.#options;
    const ansible = await findAnsible(stateDir, searchPath);
    const login = await nodes.prepare(request, signal);
    const { options, environment } = await writeWorkspace(directory, request, playbook, login);
    const plain = [ansible, ...options, '--', playbook.file];
    const argv =
      playbook.confine === 'none'
        ? plain
        : confinedCommand(
            await findBubblewrap(searchPath),
            await this.#visible(directory, playbook, login, ansible),
            plain,
          );
    const PATH = `${dirname(ansible)}:${searchPath}`;
    refuseNul(directory, [...argv, ...Object.values(environment)]);
    return {
      argv: playCommand(directory, TRIES, argv),
      environment: { ...environment, PATH },
    };
  }

  async #visible(
    directory: string,
    { file, inventory, variableFiles }: Playbook,
    { keyFile }: NodeLogin,
    ansible: string,
  ) {
    const playbook = isAbsolute(file) ? [dirname(file)] : [];
    const named = [...playbook, ...(inventory === null ? [] : [inventory]), ...variableFiles, keyFile];
    return {
      readable: [...(await searchedDirectories(ansible)), ...named],
      writable: [workspaceDirectory(directory)],
      hidden: this.#options.hidden.filter((path) => path !== keyFile),
    };
  }

  /** Kills leftovers of the run, explains its failure, and adds what it reported. Never rejects. */
  async #settle(run: StageRun, directory: string, outcome: RunOutcome): Promise<RunOutcome> {
    const explained = await this.#explain(run, directory, outcome);
    if (explained.how === 'lost') return explained;
    const facts = await readFacts(eventsFile(directory)).catch(() => null);
    return facts === null ? explained : { ...explained, facts };
  }

  async #explain(run: StageRun, directory: string, outcome: RunOutcome): Promise<RunOutcome> {
    const { host, nodes } = this.#options;
    const never = new AbortController().signal;
    // Leftovers that cannot be killed end with the server.
    await host.stop(directory, run.server, never).catch(() => {});
    if (outcome.how === 'timedOut' || outcome.how === 'killed') await nodes.stop(run, never).catch(() => {});
    if (outcome.how !== 'exited' || outcome.code === 0) return outcome;
    const failure = await readFailure(eventsFile(directory)).catch(() => null);
    if (failure === null)
      return {
        how: 'lost',
        why: `ansible-playbook exited with ${outcome.code}, and no task failed: see its output`,
      };
    const { unreachable, ...failedTask } = failure;
    if (!unreachable) return { ...outcome, failedTask };
    const { task, host: name, message } = failedTask;
    return { how: 'lost', why: `${name} could not be reached at task "${task}": ${message}` };
  }
}

/** For a run that was started before; its command is ignored. */
const NO_COMMAND = { argv: [], environment: {} } satisfies Pick<HostRun, 'argv' | 'environment'>;

/** Ignores errors: on a full disk no run can start either. */
async function writeStopMark(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch(() => {});
  await writeFile(join(directory, 'stop'), '').catch(() => {});
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
