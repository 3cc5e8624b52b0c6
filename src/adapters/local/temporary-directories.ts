/**
 * Names for temporary directories that encode the creating process, so that it can be checked later whether that
 * process is alive. The directory of a dead process is abandoned: it never got its final name, and no command ran in
 * it.
 */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
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

  async abandoned(): Promise<readonly string[]> {
    const names = await readdir(this.#directory);
    return names.filter((name) => this.#isAbandoned(name)).map((name) => join(this.#directory, name));
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
