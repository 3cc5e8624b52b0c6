/**
 * An effect key is used only once in a history, even after it was settled. A deliberately wrong machine shows the
 * check.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMachine } from 'xstate';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { once } from '../../src/machines/protocol/once.ts';
import {
  type HistorySnapshot,
  type LogRow,
  type MachineName,
  requestedKeys,
} from '../../src/machines/protocol/row.ts';
import { defineVersion, type MachineVersion } from '../../src/machines/protocol/version.ts';
import { replayHistory } from '../../src/machines/replay.ts';
import { step } from '../../src/machines/step.ts';
import { versions } from '../../src/machines/versions.ts';
import { START } from './facts.ts';
import { sha256 } from './simulator.ts';

const NAME = 'forgetful@1' as MachineName;
const alarm = { kind: 'job-parked', target: 'x', message: 'x', hint: 'x' };
const all = versions as Record<string, MachineVersion>;

// Test files share their modules, so the version is unregistered at the end.
beforeAll(() => {
  all[NAME] = defineVersion(
    once(() =>
      createMachine({
        initial: 'on',
        states: {
          on: {
            on: {
              'timer.fired': {
                actions: { type: 'request', params: { type: 'raiseAlarm', key: 'alarm', alarm } },
              },
              'alarm.raised': { actions: { type: 'request', params: null } },
            },
          },
        },
      }),
    ),
  );
});
afterAll(() => {
  delete all[NAME];
});

const raise: AnyEvent = { type: 'timer.fired', timer: 'x' };
const raised: AnyEvent = { type: 'alarm.raised' };

/** Rows of an engine that checks all earlier keys (`checked`), or only those of pending effects. */
function history(checked: boolean): readonly LogRow[] {
  const rows: LogRow[] = [];
  let before: HistorySnapshot | null = null;
  const events: readonly (readonly [AnyEvent, string | null])[] = [
    [raise, null],
    [raise, null],
    [raised, 'alarm'],
    [raise, null],
  ];
  for (const [event, settles] of events) {
    const happening = { history: 'h', machine: NAME, event, at: START, settles, causationId: null };
    const asked = (key: string) => checked && rows.some((row) => requestedKeys(row).includes(key));
    const stepped = step(before, happening, sha256, asked);
    before = stepped.stored;
    rows.push(stepped.row);
  }
  return rows;
}

test('a settled key is rejected when it is requested again', () => {
  expect(() => history(true)).toThrow('effect alarm was requested before');
});

test('strict replay finds the row that reuses a key', () => {
  const { rows, difference } = replayHistory(history(false), sha256);
  expect(rows).toBe(3);
  expect(difference).toMatchObject({
    version: 4,
    field: 'event',
    computed: 'the machine threw: effect alarm was requested before',
  });
});
