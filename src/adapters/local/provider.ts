/**
 * A provider whose server is a directory on this host, and every process that carries the server's mark. Its label
 * names the owner; without that proof nothing is ended and nothing is removed.
 */
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { EffectOf, OwnedServer, Provider } from '../../engine/ports/adapters.ts';
import { OperationError, throwIfAborted, unlessAborted } from '../../errors.ts';
import type { Ownership, Server } from '../../machines/model/domain.ts';
import { Semaphore } from '../../semaphore.ts';
import { type Account, accountOf } from '../run/account.ts';
import { errorCode, fileError } from '../run/fs-error.ts';
import { attemptDirectory } from '../run/run-directory.ts';
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
import { TemporaryDirectories } from './temporary-directories.ts';

/** By directory, of every instance in this process: several providers share one. */
const sweeping = new Map<string, Semaphore>();

export interface LocalProviderOptions {
  readonly name: string;
  readonly slots: number;
  readonly stateDir: string;
  /** For the processes of a server that is deleted: between SIGTERM and SIGKILL, and until they must be gone. */
  readonly graceMs: number;
  readonly killTimeoutMs: number;
  /** For deleting a server, its processes included. */
  readonly deleteTimeoutMs: number;
  /** The account that commands run as; null: this process's own. */
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
      // What cannot be removed now is abandoned, and the next list takes it.
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
        .filter((one) => one.owner.deployment === owner.deployment)
        .filter((one) => owner.job === undefined || one.owner.job === owner.job)
        .map((one) => ({ server: one.server, owner: one.owner }));
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
      if (found !== null && found.owner.deployment !== deployment) throw notOurs(server);
      await this.#endAll(server, found?.owner ?? null, signal);
      if (found !== null) await this.#remove(found.server.address, limit, signal);
    } catch (error) {
      throw fileError('delete server', server.name, error);
    }
  }

  /** It may pass through the directories above its server, and see nothing in them. */
  async #account(): Promise<Account | null> {
    const { user = null, stateDir } = this.#options;
    if (user === null) return null;
    const account = await accountOf(user);
    for (const directory of [stateDir, this.#servers]) await chmod(directory, 0o711);
    return account;
  }

  /** The label decides, not the address alone; another server may have the name by now. */
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
    if (left.length > 0) throw unended(server, left.map(({ pid }) => pid).join(', '));
  }

  /** The label last: until then the server is listed, and a deletion that was cut off is begun again. */
  async #remove(address: string, limit: number, signal: AbortSignal): Promise<void> {
    await removeTrees([address], Math.max(limit - performance.now(), 1), signal);
    await rm(labelOf(address), { force: true });
  }

  /** Never two at a time: the second might take the label of a server that was given the free name meanwhile. */
  #sweep(signal: AbortSignal): Promise<void> {
    const mutex = sweeping.get(this.#servers) ?? new Semaphore(1);
    sweeping.set(this.#servers, mutex);
    const own = mutex.run(() => this.#removeAbandoned(signal));
    return unlessAborted(own, signal, 'list servers', this.#servers);
  }

  /** What a daemon that was killed in the middle has left: directories that never got a name, and their labels before them. */
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

function isTaken(error: unknown): boolean {
  return ['EEXIST', 'ENOTEMPTY'].includes(errorCode(error) ?? '');
}

function nameTaken(address: string): OperationError {
  return new OperationError({
    operation: 'create server',
    target: address,
    message: 'a server or a directory with this name is there already',
    retryable: false,
    hint: 'see whose it is by its label, the hidden .json file beside it; move away one that has none',
  });
}

function notOurs(server: Server): OperationError {
  return new OperationError({
    operation: 'delete server',
    target: server.name,
    message: 'its label names another deployment',
    retryable: false,
    hint: 'leave it to the deployment that made it',
  });
}

function unended(server: Server, pids: string): OperationError {
  return new OperationError({
    operation: 'delete server',
    target: server.name,
    message: `processes are left: ${pids}`,
    retryable: true,
    hint: 'look for processes in uninterruptible sleep (state D) on this host',
  });
}
