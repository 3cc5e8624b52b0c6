/**
 * The health of a host: its consecutive failures and the end of its quarantine. It is kept in a file, so that a restart
 * does not make a broken host available again. A host without a file is healthy, so an operator ends a quarantine by
 * removing the file.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeWithTemporaries, writeAtomically } from '../run/atomic-file.ts';
import { errorCode, fileError } from '../run/fs-error.ts';

export interface HostState {
  readonly failures: number;
  /** Epoch ms; 0: not in quarantine. */
  readonly quarantinedUntil: number;
  /** The last error. */
  readonly why: string;
}

const HEALTHY: HostState = { failures: 0, quarantinedUntil: 0, why: '' };

export class HostHealth {
  /** The directory of the files, one for each host that has failed. */
  readonly directory: string;

  /** @param name the provider's name */
  constructor(stateDir: string, name: string) {
    this.directory = join(stateDir, 'hosts', name);
  }

  async read(host: string): Promise<HostState> {
    try {
      const value: unknown = JSON.parse(await readFile(this.#file(host), 'utf8'));
      return isHostState(value) ? value : HEALTHY;
    } catch (error) {
      // A damaged file counts as healthy: the host is tried once more.
      if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return HEALTHY;
      throw fileError('look up host', host, error);
    }
  }

  async write(host: string, state: HostState): Promise<void> {
    const file = this.#file(host);
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 });
      await writeAtomically(file, `${JSON.stringify(state)}\n`);
    } catch (error) {
      throw fileError('record failure of host', host, error);
    }
  }

  async clear(host: string): Promise<void> {
    await removeWithTemporaries(this.#file(host));
  }

  #file(host: string): string {
    return join(this.directory, `${host}.json`);
  }
}

function isHostState(value: unknown): value is HostState {
  if (typeof value !== 'object' || value === null) return false;
  const { failures, quarantinedUntil, why } = value as Readonly<Record<string, unknown>>;
  return typeof failures === 'number' && typeof quarantinedUntil === 'number' && typeof why === 'string';
}
