/**
 * Strict replay: recomputes the recorded rows exactly, and finds every alteration: in each field of each row, and rows
 * that are missing, duplicated or swapped.
 */
import { describe, expect, test } from 'vitest';
import type { LogRow } from '../../src/machines/protocol/row.ts';
import { replayHistory } from '../../src/machines/replay.ts';
import { differences } from './invariants.ts';
import { recorded, rowsOf } from './recorded.ts';
import { sha256 } from './simulator.ts';
import { stories } from './stories.ts';

/** The rows of a recorded file, by history. */
function historiesOf(file: string): ReadonlyMap<string, readonly LogRow[]> {
  const histories = new Map<string, LogRow[]>();
  for (const row of rowsOf(file)) {
    histories.set(row.history, [...(histories.get(row.history) ?? []), row]);
  }
  return histories;
}

describe('recorded histories', () => {
  test('exist for each story, and one is altered', () => {
    expect(recorded).toEqual([...Object.keys(stories), 'altered'].map((name) => `${name}.jsonl`).sort());
  });

  test.each(recorded.filter((file) => file !== 'altered.jsonl'))(
    '%s equals the rows that the machines compute',
    (file) => {
      for (const [history, rows] of historiesOf(file)) {
        const replayed = replayHistory(rows, sha256);
        // Before the first release: node scripts/record-histories.mjs --again. After it: the machine needs a new
        // version.
        expect(replayed.difference, `${history} of ${file}`).toBeNull();
        expect(replayed.rows).toBe(rows.length);
        expect(replayed.stored?.hash).toBe(rows.at(-1)?.hash);
      }
    },
  );

  test('altered.jsonl, in which a FAILURE was changed to a success, fails', () => {
    const found = [...historiesOf('altered.jsonl').values()].map((rows) => replayHistory(rows, sha256));
    expect(found.map(({ difference }) => difference?.field)).toEqual([undefined, 'effects', undefined]);
  });
});

describe.each(Object.entries(stories))('the story %s', (_, send) => {
  test('replays equal', () => {
    expect(differences(send())).toEqual([]);
  });
});

describe('an altered copy', () => {
  const rows = stories['failing-test']?.().rowsOf('job-1') ?? [];
  const fields = Object.keys(rows[0] ?? {}) as (keyof LogRow)[];

  test('is altered in every field that a row has', () => {
    expect(fields.toSorted()).toEqual([
      'at',
      'causationId',
      'data',
      'effects',
      'eventVersion',
      'hash',
      'history',
      'machine',
      'outcome',
      'settles',
      'state',
      'stateHash',
      'type',
      'version',
    ]);
  });

  test.each(rows.map((row) => [row.version, row.type] as const))('is found in row %i, %s', (version) => {
    for (const field of fields) {
      for (const value of alterations(rows[version - 1]?.[field])) {
        const copy = rows.map((row) => (row.version === version ? { ...row, [field]: value } : row));
        const { difference, rows: equal } = replayHistory(copy, sha256);
        expect(difference, `${field} as ${JSON.stringify(value)}`).not.toBeNull();
        expect(equal).toBe(version - 1);
      }
    }
  });

  test.each([
    ['without its first row', rows.slice(1)],
    ['without a row in the middle', rows.filter((row) => row.version !== 5)],
    ['with a row twice', rows.flatMap((row) => (row.version === 5 ? [row, row] : [row]))],
    ['with two rows swapped', [...rows.slice(0, 4), ...rows.slice(4, 6).reverse(), ...rows.slice(6)]],
  ])('%s is found', (_, copy) => {
    expect(replayHistory(copy, sha256).difference).not.toBeNull();
  });
});

test('a history of an unknown machine is reported as such', () => {
  const [row] = stories.success?.().rowsOf('job-1') ?? [];
  const foreign = [{ ...row, machine: 'job@9' } as unknown as LogRow];
  expect(replayHistory(foreign, sha256).difference).toMatchObject({
    field: 'event',
    computed: 'the machine threw: there is no machine job@9',
  });
});

/** Other values of the same type, with small changes. */
function alterations(value: unknown): readonly unknown[] {
  if (value === null) return ['x'];
  if (typeof value === 'number') return [value + 1, value - 1];
  if (typeof value === 'string') return [`${value}x`, value.slice(1), ''];
  if (Array.isArray(value)) {
    const without = value.length > 0 ? [value.slice(1), [...value].reverse()] : [];
    return [...without, [...value, { type: 'cancelEffect', key: 'x' }]].filter(
      (other) => JSON.stringify(other) !== JSON.stringify(value),
    );
  }
  return [{ ...(value as object), extra: 1 }, ...(Object.keys(value as object).length > 0 ? [{}] : [])];
}
