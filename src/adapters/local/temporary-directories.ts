/**
 * Names for directories that are being made, from which can be told later whether their maker still lives. One whose
 * maker was killed is abandoned: it never got its name, and nothing ran in it.
 */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { processStartTicks } from './processes.ts';

const NAME = /^\.new-(\d+)-(\d+)-[0-9a-f]+$/;

/** Of every instance in this process. */
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
