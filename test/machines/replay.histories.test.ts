/**
 * What recorded histories hold, all together: whatever a machine can hear, ask for and be in. Strict replay protects only
 * what was recorded; a state in no history could change its meaning between two releases, and nobody would be told.
 */
import { describe, expect, test } from 'vitest';
import type { StateNode } from 'xstate';
import type { Effect } from '../../src/machines/protocol/effects.ts';
import { machines } from './machines.ts';
import { recorded, rowsOf } from './recorded.ts';

const rows = recorded.flatMap(rowsOf).filter(({ outcome }) => outcome === 'moved');

/** Every effect that there is: one that is forgotten here does not compile. */
const EFFECTS: Readonly<Record<Effect['type'], true>> = {
  setTimer: true,
  raiseAlarm: true,
  acquireSlot: true,
  createServer: true,
  fetchPatchset: true,
  lookUpChange: true,
  mergePatchset: true,
  runStage: true,
  stopStage: true,
  readResults: true,
  collectEvidence: true,
  publishEvidence: true,
  deleteServer: true,
  discardEvidence: true,
  postReview: true,
  catchUp: true,
  postStartMessage: true,
  readChangeState: true,
  readVotes: true,
  sendMail: true,
  cancelEffect: true,
  sendEvent: true,
};

/** States in which a history can rest: one that is left by itself as soon as it is entered is none. */
function restsOf(node: StateNode): readonly string[] {
  const children = Object.values(node.states);
  if (children.length > 0) return children.flatMap(restsOf);
  const leftAtOnce = node.always?.some(({ guard }) => guard === undefined) ?? false;
  return leftAtOnce ? [] : [node.path.join('.')];
}

describe('recorded histories hold', () => {
  test('every effect', () => {
    const asked = rows.flatMap(({ effects }) => effects.map(({ type }) => type));
    expect(missing(Object.keys(EFFECTS), asked)).toEqual([]);
  });

  describe.each(Object.entries(machines))('of %s', (name, machine) => {
    const own = rows.filter((row) => row.machine === name);

    test('every event', () => {
      const types = own.map(({ type }) => type);
      expect(missing(machine.events, types)).toEqual([]);
    });

    test('every state', () => {
      const states = own.map(({ state }) => state);
      expect(missing(restsOf(machine.root), states)).toEqual([]);
    });
  });
});

function missing(all: readonly string[], seen: readonly string[]): readonly string[] {
  return all.filter((one) => !seen.includes(one));
}
