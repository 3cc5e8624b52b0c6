/** Gives test files the Gerrit that start-gerrit.ts has started. */
import { inject } from 'vitest';
import { type GerritAddress, RealGerrit } from '../real-gerrit/real-gerrit.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly gerrit: GerritAddress;
  }
}

/** Test files must not stop it or change settings that affect other files. */
export function sharedGerrit(): RealGerrit {
  return RealGerrit.at(inject('gerrit'));
}
