/**
 * The recorded histories together contain every event, effect and state of the machines. Strict replay protects only
 * recorded rows: a state in no history could change its meaning between two releases unnoticed.
 */
import { describe, expect, test } from 'vitest';
import type { StateNode } from 'xstate';
import type { Effect } from '../../src/machines/protocol/effects.ts';
import { machines } from './machines.ts';
import { recorded, rowsOf } from './recorded.ts';

const rows = recorded.flatMap(rowsOf).filter(({ outcome }) => outcome === 'moved');

/** Every effect: leaving one out does not compile. */
const EFFECTS: Readonly<Record<Effect['type'], true>> = {
  setTimer: true,
  raiseAlarm: true,
  acquireSlot: true,
  acquireBackends: true,
  runJanitor: true,
  stopJanitor: true,
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
  openServer: true,
  discardEvidence: true,
  removeLeak: true,
  postReview: true,
  catchUp: true,
  postStartMessage: true,
  readChangeState: true,
  readVotes: true,
  sendMail: true,
  cancelEffect: true,
  sendEvent: true,
};

/** States in which a history can stay, without those that an eventless transition leaves at once. */
function stableStates(node: StateNode): readonly string[] {
  const children = Object.values(node.states);
  if (children.length > 0) return children.flatMap(stableStates);
  const leftAtOnce = node.always?.some(({ guard }) => guard === undefined) ?? false;
  return leftAtOnce ? [] : [node.path.join('.')];
}

describe('recorded histories contain', () => {
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
      expect(missing(stableStates(machine.root), states)).toEqual([]);
    });
  });
});

function missing(all: readonly string[], seen: readonly string[]): readonly string[] {
  return all.filter((name) => !seen.includes(name));
}
