/** The final checks of every simulation. */
import { expect } from 'vitest';
import { differences, ignored, invariantViolations } from './invariants.ts';
import type { Simulator } from './simulator.ts';

/** No invariant is violated, strict replay finds no difference, and every event was handled by some state. */
export function expectConsistent(simulator: Simulator): void {
  expect(invariantViolations(simulator)).toEqual([]);
  expect(differences(simulator)).toEqual([]);
  expect(ignored(simulator)).toEqual([]);
}
