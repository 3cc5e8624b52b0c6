/** The final checks of every simulation. */
import { expect } from 'vitest';
import { breaches, differences, ignored } from './invariants.ts';
import type { Simulator } from './simulator.ts';

/** It broke no promise, replays strictly, and was told nothing that no state handles. */
export function orderly(world: Simulator): void {
  expect(breaches(world)).toEqual([]);
  expect(differences(world)).toEqual([]);
  expect(ignored(world)).toEqual([]);
}
