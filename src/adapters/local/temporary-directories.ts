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
const inHand = new Set<string>();

export class TemporaryDirectories {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  begin(): string {
    const maker = `${process.pid}-${processStartTicks(process.pid) ?? 0}`;
    const path = join(this.#directory, `.new-${maker}-${randomBytes(4).toString('hex')}`);
    inHand.add(path);
    return path;
  }

  end(path: string): void {
    inHand.delete(path);
  }

  /**
   * Checks that a directory is still there after its maker was found to be done: one that was renamed to its final name
   * while this reads the folder is not abandoned.
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
      return !inHand.has(join(this.#directory, name));
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
