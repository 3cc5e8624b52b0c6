/** The final checks of every simulation. */
import { expect } from 'vitest';
import { differences, ignored, invariantViolations } from './invariants.ts';
import type { Simulator } from './simulator.ts';

/** It broke no promise, replays strictly, and was told nothing that no state handles. */
export function expectConsistent(simulator: Simulator): void {
  expect(invariantViolations(simulator)).toEqual([]);
  expect(differences(simulator)).toEqual([]);
  expect(ignored(simulator)).toEqual([]);
}
