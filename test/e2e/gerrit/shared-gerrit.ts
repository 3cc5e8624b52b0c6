/** Gives test files the Gerrit that start-gerrit.ts has started for their worker. */
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
  const worker = Number(process.env.VITEST_POOL_ID);
  const address = inject('gerrits')[worker - 1];
  if (address === undefined) throw new Error(`no Gerrit was started for worker ${worker}`);
  return RealGerrit.at(address);
}
