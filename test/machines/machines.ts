/** The machine of every version. */
import type { AnyStateMachine } from 'xstate';
import { versions } from '../../src/machines/versions.ts';

export const machines: Readonly<Record<string, AnyStateMachine>> = Object.fromEntries(
  Object.entries(versions).map(([name, { machine }]) => [name, machine]),
);
