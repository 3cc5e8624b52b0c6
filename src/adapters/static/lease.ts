/**
 * The leases of hosts. Each lease is a file with its owner, on disk before the host is touched, so that two jobs never
 * share a host and a killed daemon never leaves an unrecorded lease.
 */
import { link, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ownership, Server } from '../../machines/model/domain.ts';
import { Semaphore } from '../../semaphore.ts';
import {
  removeWithTemporaries,
  syncDirectory,
  withTemporary,
  writeAtomically,
  writeSynced,
} from '../run/atomic-file.ts';
import { errorCode, fileError } from '../run/fs-error.ts';

export interface Lease {
  /** The host's name in the configuration. */
  readonly host: string;
  readonly server: Server;
  readonly owner: Ownership;
  /** Epoch ms. */
  readonly createdAt: number;
  /** False: the host is being prepared, or the daemon was killed while it prepared the host. */
  readonly ready: boolean;
}

const ENDING = '.json';
const LIMIT_BYTES = 64 * 1024;

/** One mutex per host for all instances in this process: after a reload, the former one may still return a host. */
const returning = new Map<string, Semaphore>();

export class Leases {
  readonly #directory: string;

  /** @param name the provider's name */
  constructor(stateDir: string, name: string) {
    this.#directory = join(stateDir, 'leases', name);
  }

  /** False: the host is already leased. */
  async take(lease: Lease): Promise<boolean> {
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await withTemporary(this.#file(lease.host), async (temporary) => {
        await writeSynced(temporary, textOf(lease));
        await link(temporary, this.#file(lease.host));
      });
      await syncDirectory(this.#directory);
      return true;
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false;
      throw fileError('lease host', lease.host, error);
    }
  }

  /** Replaces the lease of the same host. */
  async replace(lease: Lease): Promise<void> {
    try {
      await writeAtomically(this.#file(lease.host), textOf(lease));
    } catch (error) {
      throw fileError('lease host', lease.host, error);
    }
  }

  /** Whether the lease is still held: false when the host has been released since, or leased to another job. */
  async holds({ host, server }: Lease): Promise<boolean> {
    return (await this.all()).some((lease) => lease.host === host && lease.server.id === server.id);
  }

  /** Runs one such task for the host at a time. */
  exclusively<T>(host: string, work: () => Promise<T>): Promise<T> {
    const file = this.#file(host);
    const mutex = returning.get(file) ?? new Semaphore(1);
    returning.set(file, mutex);
    return mutex.run(work);
  }

  async release(host: string): Promise<void> {
    try {
      await removeWithTemporaries(this.#file(host));
      await syncDirectory(this.#directory);
    } catch (error) {
      throw fileError('release host', host, error);
    }
  }

  /** Oldest first. */
  async all(): Promise<readonly Lease[]> {
    try {
      const names = (await readdir(this.#directory)).filter((name) => name.endsWith(ENDING));
      const leases = await Promise.all(names.map((name) => this.#read(name)));
      return leases.flat().sort((a, b) => a.createdAt - b.createdAt || (a.host < b.host ? -1 : 1));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw fileError('list leases', this.#directory, error);
    }
  }

  /** [] for a lease that was released meanwhile. An invalid file is an error, because the host may be in use. */
  async #read(name: string): Promise<readonly Lease[]> {
    try {
      const text = await readFile(join(this.#directory, name), 'utf8');
      const lease = text.length > LIMIT_BYTES ? null : parse(text);
      if (lease === null) throw Object.assign(new Error(`${name} is damaged`), { code: 'EDAMAGED' });
      return [lease];
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  #file(host: string): string {
    return join(this.#directory, `${host}${ENDING}`);
  }
}

function textOf(lease: Lease): string {
  return `${JSON.stringify(lease)}\n`;
}

function parse(text: string): Lease | null {
  const value = json(text);
  if (!isRecord(value) || !isRecord(value.server) || !isRecord(value.owner)) return null;
  const { host, createdAt, ready } = value;
  const { id, name, address, provider } = value.server;
  const { deployment, job, attempt } = value.owner;
  if (typeof host !== 'string' || typeof createdAt !== 'number' || typeof ready !== 'boolean') return null;
  if (typeof id !== 'string' || typeof name !== 'string') return null;
  if (typeof address !== 'string' || typeof provider !== 'string') return null;
  if (typeof deployment !== 'string' || typeof job !== 'string' || typeof attempt !== 'number') return null;
  const server = { id, name, address, provider };
  return { host, server, owner: { deployment, job, attempt }, createdAt, ready };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
