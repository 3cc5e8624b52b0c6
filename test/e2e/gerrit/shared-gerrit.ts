/** The Gerrit that start-gerrit.ts has started, as test files come to it. */
import { inject } from 'vitest';
import { type GerritAddress, RealGerrit } from '../real-gerrit/real-gerrit.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly gerrit: GerritAddress;
  }
}

/** Nobody stops it, or does to it what others would feel. */
export function sharedGerrit(): RealGerrit {
  return RealGerrit.at(inject('gerrit'));
}
