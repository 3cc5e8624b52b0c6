/**
 * A provider whose server is a directory on this host, and every process that carries the server's mark. The server's
 * label names its owner. If that is another deployment, no process is ended; without a matching label, no file is
 * removed.
 */
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { EffectOf, OwnedServer, Provider } from '../../engine/ports/adapters.ts';
import { OperationError, throwIfAborted, unlessAborted } from '../../errors.ts';
import type { Login, Ownership, Server } from '../../machines/model/domain.ts';
import type { ServerFacts } from '../../machines/model/environment.ts';
import { Semaphore } from '../../semaphore.ts';
import { type Account, accountOf } from '../run/account.ts';
import { foreignServerError } from '../run/foreign-server-error.ts';
import { errorCode, fileError } from '../run/fs-error.ts';
import { attemptDirectory } from '../run/run-directory.ts';
import { shellQuoted } from '../run/shell-word.ts';
import { serverMarker } from '../run/stage-environment.ts';
import { groupsOf } from './cgroup.ts';
import { endProcesses, type Membership } from './processes.ts';
import { removeTrees } from './remove-tree.ts';
import {
  directoryName,
  labelOf,
  makeServer,
  readLabels,
  readServer,
  readServers,
  serversDirectory,
} from './server-directory.ts';
import { readSystem } from './system.ts';
import { TemporaryDirectories } from './temporary-directories.ts';

/** One mutex per directory for all instances in this process, because several providers share a directory. */
const sweeping = new Map<string, Semaphore>();

export interface LocalProviderOptions {
  readonly name: string;
  readonly slots: number;
  readonly stateDir: string;
  /**
   * For the processes of a deleted server: the time between SIGTERM and SIGKILL, and the time until they must be gone.
   */
  readonly graceMs: number;
  readonly killTimeoutMs: number;
  /** The total time for deleting a server, including its processes. */
  readonly deleteTimeoutMs: number;
  /** The account that runs the commands; null: the daemon's own. */
  readonly user?: string | null;
}

export class LocalProvider implements Provider {
  readonly name: string;
  readonly slots: number;
  readonly #options: LocalProviderOptions;
  readonly #servers: string;
  readonly #temporary: TemporaryDirectories;

  constructor(options: LocalProviderOptions) {
    this.name = options.name;
    this.slots = options.slots;
    this.#options = options;
    this.#servers = serversDirectory(options.stateDir);
    this.#temporary = new TemporaryDirectories(this.#servers);
  }

  async create(request: EffectOf<'createServer'>, signal: AbortSignal): Promise<Server> {
    const { name, owner } = request;
    const address = join(this.#servers, directoryName(name));
    const temporary = this.#temporary.begin();
    try {
      throwIfAborted(signal, 'create server', name);
      await mkdir(this.#servers, { recursive: true, mode: 0o700 });
      const account = await this.#account();
      return await makeServer(temporary, { name, provider: this.name, owner, address, account });
    } catch (error) {
      // If the removal fails, the directory is abandoned, and the next `list` removes it.
      await removeTrees([temporary], this.#options.deleteTimeoutMs).catch(() => {});
      throw isTaken(error) ? nameTaken(address) : fileError('create server', name, error);
    } finally {
      this.#temporary.end(temporary);
    }
  }

  async list(
    owner: { readonly deployment: string; readonly job?: string },
    signal: AbortSignal,
  ): Promise<readonly OwnedServer[]> {
    try {
      await this.#sweep(signal);
      const all = await readServers(this.#servers, this.name);
      return all
        .filter((entry) => entry.owner.deployment === owner.deployment)
        .filter((entry) => owner.job === undefined || entry.owner.job === owner.job)
        .map((entry) => ({ server: entry.server, owner: entry.owner }));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw fileError('list servers', this.#servers, error);
    }
  }

  async delete(server: Server, deployment: string, signal: AbortSignal): Promise<void> {
    const limit = performance.now() + this.#options.deleteTimeoutMs;
    try {
      throwIfAborted(signal, 'delete server', server.name);
      const found = await this.#find(server);
      if (found !== null && found.owner.deployment !== deployment)
        throw foreignServerError(server, 'its label');
      await this.#endAll(server, found?.owner ?? null, signal);
      if (found !== null) await this.#remove(found.server.address, limit, signal);
    } catch (error) {
      throw fileError('delete server', server.name, error);
    }
  }

  async open(server: Server, signal: AbortSignal): Promise<Login> {
    try {
      throwIfAborted(signal, 'open server', server.name);
      const found = await this.#find(server);
      if (found === null) throw noServer(server);
      await this.#endAll(server, found.owner, signal);
      const directory = found.server.address;
      return { command: `cd ${shellQuoted(directory)}`, directory };
    } catch (error) {
      throw fileError('open server', server.name, error);
    }
  }

  async describe(server: Server, signal: AbortSignal): Promise<ServerFacts> {
    throwIfAborted(signal, 'describe server', server.name);
    return { type: 'local', image: null, flavor: null, system: await readSystem(signal) };
  }

  async whyGone(server: Server, signal: AbortSignal): Promise<string | null> {
    throwIfAborted(signal, 'look up server', server.name);
    try {
      return (await this.#find(server)) === null ? 'was deleted' : null;
    } catch (error) {
      throw fileError('look up server', server.name, error);
    }
  }

  /** The account may traverse the directories above its server, but not list them. */
  async #account(): Promise<Account | null> {
    const { user = null, stateDir } = this.#options;
    if (user === null) return null;
    const account = await accountOf(user);
    for (const directory of [stateDir, this.#servers]) await chmod(directory, 0o711);
    return account;
  }

  /** Checks the label, not only the address: another server may have the name by now. */
  async #find(server: Server): Promise<OwnedServer | null> {
    if (dirname(server.address) !== this.#servers || basename(server.address).startsWith('.')) return null;
    const found = await readServer(server.address);
    return found?.server.id === server.id && found.server.provider === this.name ? found : null;
  }

  async #endAll(server: Server, owner: Ownership | null, signal: AbortSignal): Promise<void> {
    const { graceMs, killTimeoutMs, deleteTimeoutMs, stateDir } = this.#options;
    const runs = owner === null ? [] : await runsIn(attemptDirectory(stateDir, owner));
    const members: Membership = {
      marker: serverMarker(server),
      locks: runs.map((run) => join(run, 'lock')),
      groups: await groupsOf(server, runs),
    };
    const left = await endProcesses(members, {
      graceMs,
      limitMs: Math.min(graceMs + killTimeoutMs, deleteTimeoutMs),
      signal,
    });
    throwIfAborted(signal, 'delete server', server.name);
    if (left.length > 0) throw stillRunning(server, left.map(({ pid }) => pid).join(', '));
  }

  /** Removes the label last: until then the server is listed, and an interrupted deletion is repeated. */
  async #remove(address: string, limit: number, signal: AbortSignal): Promise<void> {
    await removeTrees([address], Math.max(limit - performance.now(), 1), signal);
    await rm(labelOf(address), { force: true });
  }

  /** Runs one sweep at a time: a second one might remove the label of a server that has reused the name meanwhile. */
  #sweep(signal: AbortSignal): Promise<void> {
    const mutex = sweeping.get(this.#servers) ?? new Semaphore(1);
    sweeping.set(this.#servers, mutex);
    const own = mutex.run(() => this.#removeAbandoned(signal));
    return unlessAborted(own, signal, 'list servers', this.#servers);
  }

  /**
   * Removes the remains of a killed daemon: directories that were never renamed to their final name, and their labels
   * first.
   */
  async #removeAbandoned(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal, 'list servers', this.#servers);
    const abandoned = await this.#temporary.abandoned();
    if (abandoned.length === 0) return;
    for (const { server, madeFrom } of await readLabels(this.#servers)) {
      if (abandoned.includes(join(this.#servers, madeFrom)))
        await rm(labelOf(server.address), { force: true });
    }
    await removeTrees(abandoned, this.#options.deleteTimeoutMs, signal);
  }
}

async function runsIn(attempt: string): Promise<readonly string[]> {
  try {
    return (await readdir(attempt)).map((stage) => join(attempt, stage));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function noServer(server: Server): OperationError {
  return new OperationError({
    operation: 'open server',
    target: server.name,
    message: 'it does not exist',
    retryable: false,
    hint: 'somebody deleted it, or removed the hidden .json file beside its directory',
  });
}

function isTaken(error: unknown): boolean {
  return ['EEXIST', 'ENOTEMPTY'].includes(errorCode(error) ?? '');
}

function nameTaken(address: string): OperationError {
  return new OperationError({
    operation: 'create server',
    target: address,
    message: 'a server or a directory with this name exists already',
    retryable: false,
    hint: 'the hidden .json file beside the directory names the owner; if there is none, move the directory away',
  });
}

function stillRunning(server: Server, pids: string): OperationError {
  return new OperationError({
    operation: 'delete server',
    target: server.name,
    message: `processes are still running: ${pids}`,
    retryable: true,
    hint: 'look for processes in uninterruptible sleep (state D) on this host',
  });
}
