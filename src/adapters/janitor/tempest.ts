/**
 * `tempest cleanup` as the work of a janitor. It is refused unless tempest.conf and the configuration name the same cloud and
 * project, no provider uses this cloud, and sos-ci saved its state when it was clean. Tempest mistakes some failed
 * listings for empty ones, so its lists are compared with those of sos-ci. The program tempest-cleanup.mjs then does the rest, because
 * it must outlive the daemon.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { throwIfAborted } from '../../errors.ts';
import type { TempestWork } from '../../machines/model/janitor.ts';
import type { CloudScope } from '../openstack/session/session.ts';
import { fileError } from '../run/fs-error.ts';
import type { HostRun, HostRuns } from '../run/host-runs.ts';
import { pickVariables } from '../run/stage-environment.ts';
import { refusal } from './refusal.ts';
import {
  type CloudIdentity,
  type ResourceCounts,
  type ResourceIds,
  readSavedState,
  readTempestState,
  type State,
  savedStates,
  unsaved,
  writeSavedState,
} from './saved-state.ts';
import { checkTempestConf } from './tempest-conf.ts';

export interface TempestCleanupOptions {
  readonly stateDir: string;
  readonly host: HostRuns;
  /** Logs in to the cloud that the configuration names. */
  readonly login: (work: TempestWork, signal: AbortSignal) => Promise<CloudScope>;
  /** Lists everything of these kinds in this cloud. Rejects when any of it cannot be listed. */
  readonly list: (work: TempestWork, kinds: readonly string[], signal: AbortSignal) => Promise<ResourceIds>;
  /** The project's id of each OpenStack provider, by name. Rejects when one is not known. */
  readonly providerProjects: (signal: AbortSignal) => Promise<ReadonlyMap<string, string>>;
  /** The last line of the log in a run directory, without secrets. */
  readonly lastLine: (directory: string) => Promise<string | null>;
  /** Between two dry runs while services still delete. */
  readonly pollMs?: number;
  /** It fails when nothing more disappears for this long. */
  readonly progressTimeoutMs?: number;
}

const PROGRAM = fileURLToPath(new URL('./tempest-cleanup.mjs', import.meta.url));
const POLL_MS = 10_000;
const PROGRESS_TIMEOUT_MS = 300_000;
const ENVIRONMENT = ['PATH', 'HOME', 'LANG'];
const OUTPUT_LIMIT_BYTES = 16 * 1024 ** 2;
const NEVER = new AbortController().signal;

export class TempestCleanup {
  readonly #options: TempestCleanupOptions;

  constructor(options: TempestCleanupOptions) {
    this.#options = options;
  }

  /**
   * Writes saved_state.json and leftovers.json, which says what may be deleted, into its working directory.
   * @throws OperationError for a refusal
   */
  async command(janitor: string, work: TempestWork, workTree: string, signal: AbortSignal) {
    const { stateDir, pollMs = POLL_MS, progressTimeoutMs = PROGRESS_TIMEOUT_MS } = this.#options;
    const identity = await this.#identity(work, signal);
    const { text, state } = await readSavedState(stateDir, janitor, identity);
    const leftovers = await this.#unsaved(work, state, signal);
    const { count, kinds } = summary(leftovers);
    if (count > work.maxResources)
      throw refusal(
        `${count} resources are not in the saved state, more than ${work.maxResources}: ${kinds}`,
        'if all of them may go, raise maxResources',
      );
    await writeFile(join(workTree, 'saved_state.json'), text, { mode: 0o600 });
    await writeFile(join(workTree, 'leftovers.json'), JSON.stringify(leftovers), { mode: 0o600 });
    const limits = [work.maxResources, pollMs, progressTimeoutMs].map(String);
    return { argv: [process.execPath, PROGRAM, ...limits, work.program], environment: environmentOf(work) };
  }

  /** Saves the state of the cloud, which must be clean. Resolves to the number of resources of each kind. */
  async save(
    janitor: string,
    work: TempestWork,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ResourceCounts> {
    const { stateDir } = this.#options;
    const identity = await this.#identity(work, signal);
    const directory = join(savedStates(stateDir), `${janitor}.run`);
    const workTree = join(directory, 'work');
    const name = `save-${janitor}`;
    const stop = () =>
      this.#options.host.stop(directory, { id: name, name, address: '', provider: '' }, NEVER);
    try {
      // An interrupted call may have left a run behind.
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await stop();
      await rm(directory, { recursive: true, force: true });
      await mkdir(workTree, { recursive: true, mode: 0o700 });
      const argv = [work.program, 'cleanup', '--init-saved-state'];
      const environment = { ...environmentOf(work), SOS_CI_SERVER: name };
      await this.#run(
        { directory, workTree, argv, environment, timeoutMs, outputLimitBytes: OUTPUT_LIMIT_BYTES },
        stop,
        signal,
      );
      const saved = await readTempestState(join(workTree, 'saved_state.json'));
      // Later than Tempest: what it did not see, or what was made meanwhile, is missing.
      const { count, kinds } = summary(await this.#unsaved(work, saved.state, signal));
      if (count > 0)
        throw refusal(
          `Tempest did not save all that exists: ${kinds}`,
          'repeat it while nothing uses the cloud; if it fails again, check the output of: tempest cleanup --init-saved-state',
        );
      return await writeSavedState(stateDir, janitor, identity, saved);
    } catch (error) {
      throw fileError('save state', directory, error);
    } finally {
      await stop().catch(() => {});
      await rm(directory, { recursive: true, force: true });
    }
  }

  async #run(run: HostRun, stop: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const handle = await this.#options.host.start(run, signal);
    const abort = () => void stop().catch(() => {});
    signal.addEventListener('abort', abort, { once: true });
    const outcome = await handle.ended;
    signal.removeEventListener('abort', abort);
    throwIfAborted(signal, 'save state', run.directory);
    if (outcome.how === 'exited' && outcome.code === 0) return;
    const line = (await this.#options.lastLine(run.directory)) ?? 'no output';
    throw refusal(
      `${run.argv.join(' ')} failed: ${line}`,
      'run it by hand in an empty directory, with TEMPEST_CONFIG_DIR and TEMPEST_CONFIG',
    );
  }

  /** What exists in the cloud, and is not in its saved state. */
  async #unsaved(work: TempestWork, state: State, signal: AbortSignal): Promise<ResourceIds> {
    const { list, providerProjects } = this.#options;
    const existing = await list(work, Object.keys(state), signal);
    for (const [provider, project] of await providerProjects(signal))
      if (existing.projects?.includes(project) === true)
        throw refusal(
          `the provider ${provider} creates its servers in this cloud`,
          'name another cloud: tempest cleanup would delete what belongs to jobs',
        );
    return unsaved(existing, state);
  }

  async #identity(work: TempestWork, signal: AbortSignal): Promise<CloudIdentity> {
    const scope = await this.#options.login(work, signal);
    if (scope.projectName !== work.project)
      throw refusal(
        `the credentials are for the project ${scope.projectName}, not ${work.project}`,
        'correct project, or the credentials',
      );
    try {
      const region = await checkTempestConf(work.config, work.program, scope);
      return { authUrl: scope.authUrl, projectId: scope.projectId, region };
    } catch (error) {
      throw fileError('read tempest.conf', work.config, error);
    }
  }
}

function summary(resources: ResourceIds): { readonly count: number; readonly kinds: string } {
  const counts = Object.entries(resources).flatMap(([kind, { length }]) =>
    length === 0 ? [] : [{ kind, length }],
  );
  return {
    count: counts.reduce((sum, { length }) => sum + length, 0),
    kinds: counts.map(({ kind, length }) => `${kind} ${length}`).join(', '),
  };
}

/** Nothing more: oslo.config would take options from variables whose names begin with OS_. */
function environmentOf({ config }: TempestWork): Readonly<Record<string, string>> {
  return {
    ...pickVariables(process.env, ENVIRONMENT),
    TEMPEST_CONFIG_DIR: dirname(config),
    TEMPEST_CONFIG: basename(config),
  };
}
