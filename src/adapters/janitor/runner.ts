/**
 * Runs janitors on this host by the run-directory protocol: a janitor continues when the daemon dies, and the next daemon
 * attaches to it. The directories of the newest runs of each janitor are kept, because their logs say what it did.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EffectOf, JanitorRunner, RunHandle, RunOutcome } from '../../engine/ports/adapters.ts';
import { throwIfAborted } from '../../errors.ts';
import type { JanitorRun, JanitorWork } from '../../machines/model/janitor.ts';
import { fileError } from '../run/fs-error.ts';
import type { HostRun, HostRuns } from '../run/host-runs.ts';
import { readPid } from '../run/run-directory.ts';
import { pickVariables, refuseNul } from '../run/stage-environment.ts';
import type { TempestCleanup } from './tempest.ts';

type RunJanitor = EffectOf<'runJanitor'>;
type Playbook = Extract<JanitorWork, { playbook: unknown }>['playbook'];
export type JanitorCommand = Pick<HostRun, 'argv' | 'environment'>;

/** Runs playbooks as janitors. */
export interface JanitorPlaybooks {
  /** @param facts the variable `sos_ci` of the playbook */
  command(
    directory: string,
    playbook: Playbook,
    facts: Readonly<Record<string, unknown>>,
  ): Promise<JanitorCommand>;
  /** Explains a failure. Never rejects. */
  explain(directory: string, outcome: RunOutcome): Promise<RunOutcome>;
}

export interface JanitorRunsOptions {
  readonly stateDir: string;
  readonly host: HostRuns;
  readonly playbooks: JanitorPlaybooks;
  readonly tempest: Pick<TempestCleanup, 'command'>;
  /** The last line of the log in a run directory, without secrets. */
  readonly lastLine: (directory: string) => Promise<string | null>;
}

/** Runs of one janitor whose logs are kept. */
const KEPT_RUNS = 20;
const BASE_ENVIRONMENT = ['PATH', 'HOME', 'LANG'];

export class JanitorRuns implements JanitorRunner {
  readonly #options: JanitorRunsOptions;

  constructor(options: JanitorRunsOptions) {
    this.#options = options;
  }

  async start(request: RunJanitor, signal: AbortSignal): Promise<RunHandle> {
    const { run, work, timeoutMs, outputLimitBytes } = request;
    const directory = this.#directory(run);
    throwIfAborted(signal, 'run janitor', directory);
    try {
      const workTree = join(directory, 'work');
      await mkdir(workTree, { recursive: true, mode: 0o700 });
      await this.#removeOld(run);
      const known = (await readPid(directory, 'pid')) !== null;
      const command = known ? NO_COMMAND : await this.#command(request, directory, workTree, signal);
      refuseNul(directory, [...command.argv, ...Object.values(command.environment)]);
      const hostRun = { directory, workTree, timeoutMs, outputLimitBytes, ...command };
      const handle = await this.#options.host.start(hostRun, signal);
      const ended = handle.ended.then((outcome) => this.#settle(run, work, directory, outcome));
      return { ...handle, ended };
    } catch (error) {
      throw fileError('run janitor', directory, error);
    }
  }

  async stop(run: JanitorRun, signal: AbortSignal): Promise<void> {
    const directory = this.#directory(run);
    throwIfAborted(signal, 'stop janitor', directory);
    try {
      await this.#options.host.stop(directory, serverOf(run), signal);
    } catch (error) {
      throw fileError('stop janitor', directory, error);
    }
  }

  lastLine(run: JanitorRun): Promise<string | null> {
    return this.#options.lastLine(this.#directory(run));
  }

  async #command(
    { run, backends, work }: RunJanitor,
    directory: string,
    workTree: string,
    signal: AbortSignal,
  ): Promise<JanitorCommand> {
    const { janitor, cleaning, attempt } = run;
    if ('playbook' in work) {
      const facts = { janitor, cleaning, attempt, backends };
      const { argv, environment } = await this.#options.playbooks.command(directory, work.playbook, facts);
      return { argv, environment: { ...environment, ...marks(run) } };
    }
    if ('tempest' in work) {
      const { argv, environment } = await this.#options.tempest.command(
        janitor,
        work.tempest,
        workTree,
        signal,
      );
      return { argv, environment: { ...environment, ...marks(run) } };
    }
    const environment = {
      ...pickVariables(process.env, [...BASE_ENVIRONMENT, ...work.environment]),
      SOS_CI_JANITOR: janitor,
      SOS_CI_BACKENDS: backends.join(' '),
      ...marks(run),
    };
    return { argv: work.command, environment };
  }

  /** Kills what the run left behind, and explains its failure. Never rejects. */
  async #settle(
    run: JanitorRun,
    work: JanitorWork,
    directory: string,
    outcome: RunOutcome,
  ): Promise<RunOutcome> {
    const never = new AbortController().signal;
    await this.#options.host.stop(directory, serverOf(run), never).catch(() => {});
    return 'playbook' in work ? this.#options.playbooks.explain(directory, outcome) : outcome;
  }

  /** Ids of cleanings sort by time. */
  async #removeOld(run: JanitorRun): Promise<void> {
    const parent = this.#parent(run);
    const names = (await readdir(parent)).filter((name) => name !== runName(run)).sort();
    for (const name of names.slice(0, Math.max(0, names.length + 1 - KEPT_RUNS)))
      await rm(join(parent, name), { recursive: true, force: true });
  }

  #parent({ janitor }: JanitorRun): string {
    return join(this.#options.stateDir, 'janitors', janitor);
  }

  #directory(run: JanitorRun): string {
    return join(this.#parent(run), runName(run));
  }
}

function runName({ cleaning, attempt }: JanitorRun): string {
  return `${cleaning}.${attempt}`;
}

/** The run of a janitor belongs to no server; the name marks its processes. */
function serverOf({ cleaning }: JanitorRun) {
  return { id: cleaning, name: cleaning, address: '', provider: '' };
}

function marks({ cleaning }: JanitorRun) {
  return { SOS_CI_SERVER: cleaning };
}

/** For a run that was started before; its command is ignored. */
const NO_COMMAND: JanitorCommand = { argv: [], environment: {} };
