/** Gives test files the Gerrit that start-gerrit.ts has started for their worker. */
import { readFileSync, writeFileSync } from 'node:fs';
import { inject } from 'vitest';
import { type GerritAddress, RealGerrit } from '../real-gerrit/real-gerrit.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly gerrits: readonly GerritAddress[];
  }
}

/**
 * One file uses it at a time. Later files use it too, so test files must not stop it or change settings that affect
 * other files.
 */
export function sharedGerrit(): RealGerrit {
  const gerrits = inject('gerrits');
  // The only one is everyone's: where files run one after the other, each may be a process of its own.
  const address =
    gerrits.length === 1 ? gerrits[0] : gerrits.find(({ directory }) => isOurs(`${directory}.worker`));
  if (address === undefined) throw new Error('more workers than Gerrits');
  return RealGerrit.at(address);
}

/**
 * Whether this process is the worker that the file names, which the first one to ask is. VITEST_POOL_ID would not do: from
 * the second group of projects on, Vitest 4.1 gives two workers the same one.
 */
function isOurs(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    return readFileSync(file, 'utf8') === String(process.pid);
  }
}
