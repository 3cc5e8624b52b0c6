/**
 * Names for temporary directories that encode the creating process, so that it can be checked later whether that
 * process is alive. The directory of a dead process is abandoned: it never got its final name, and no command ran in
 * it.
 */
import { randomBytes } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../run/fs-error.ts';
import { processStartTicks } from './processes.ts';

const NAME = /^\.new-(\d+)-(\d+)-[0-9a-f]+$/;

/** Temporary directories in use by any instance in this process. */
const inUse = new Set<string>();

export class TemporaryDirectories {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  begin(): string {
    const creator = `${process.pid}-${processStartTicks(process.pid) ?? 0}`;
    const path = join(this.#directory, `.new-${creator}-${randomBytes(4).toString('hex')}`);
    inUse.add(path);
    return path;
  }

  end(path: string): void {
    inUse.delete(path);
  }

  /**
   * Checks again that a directory exists after its creator was found to have ended: a directory that was renamed to its
   * final name during the scan is not abandoned.
   */
  async abandoned(): Promise<readonly string[]> {
    const names = await readdir(this.#directory);
    const unowned = names
      .filter((name) => this.#isAbandoned(name))
      .map((name) => join(this.#directory, name));
    const present = await Promise.all(unowned.map(exists));
    return unowned.filter((_, index) => present[index]);
  }

  #isAbandoned(name: string): boolean {
    const [, pid, startTicks] = NAME.exec(name) ?? [];
    if (pid === undefined) return false;
    if (Number(pid) === process.pid && startTicks === processStartTicks(process.pid)) {
      return !inUse.has(join(this.#directory, name));
    }
    return processStartTicks(Number(pid)) !== startTicks;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
