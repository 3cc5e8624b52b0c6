/**
 * Replayed rows: every recorded history, of each kind of machine, gives its rows back with the states between them, and
 * the pending effects of each row are those of the state.
 */
import { describe, expect, test } from 'vitest';
import { replayHistory } from '../../src/machines/replay.ts';
import { contextChanges, type ReplayStep, replayRows } from '../../src/machines/replay-rows.ts';
import { recorded, rowsOf } from './recorded.ts';
import { sha256 } from './simulator.ts';
import { stories } from './stories.ts';

function stepsOf(story: string, history: string): readonly ReplayStep[] {
  return replayRows(stories[story]?.().rowsOf(history) ?? [], sha256).steps;
}

describe('every recorded history', () => {
  const histories = new Map(
    recorded
      .filter((file) => file !== 'altered.jsonl')
      .flatMap((file) => {
        const rows = rowsOf(file);
        const names = [...new Set(rows.map(({ history }) => history))];
        return names.map(
          (name) => [`${name} of ${file}`, rows.filter(({ history }) => history === name)] as const,
        );
      }),
  );

  test.each([...histories])('%s', (_, rows) => {
    const { steps, difference } = replayRows(rows, sha256);
    expect(difference).toBeNull();
    expect(steps.map(({ row }) => row)).toEqual(rows);
    for (const [index, { before, after, pending, row }] of steps.entries()) {
      expect(before).toBe(steps[index - 1]?.after ?? null);
      expect(after).toEqual(replayHistory(rows.slice(0, index + 1), sha256).stored);
      expect(Object.fromEntries(pending.map(({ effect }) => [effect.key, effect]))).toEqual(after.pending);
      for (const { effect, version, at } of pending) {
        expect(rows[version - 1]).toMatchObject({ at, effects: expect.arrayContaining([effect]) });
        expect(version).toBeLessThanOrEqual(row.version);
      }
    }
  });
});

test('each requested effect ends as settled, withdrawn or still pending', () => {
  for (const history of ['job-1', 'review-1']) {
    const steps = stepsOf('setup-retried-then-retry-limit', history);
    const requested = steps.flatMap(({ row }) =>
      row.effects.flatMap((effect) =>
        'key' in effect && effect.type !== 'cancelEffect' ? [effect.key] : [],
      ),
    );
    const gone = steps.flatMap(({ settled, withdrawn }) => [
      ...(settled === null ? [] : [settled]),
      ...withdrawn,
    ]);
    const left = steps.at(-1)?.pending ?? [];
    expect([...gone, ...left].map(({ effect }) => effect.key).sort()).toEqual(requested.sort());
  }
});

test('a settled effect names the row that requested it', () => {
  const steps = stepsOf('success', 'job-1');
  const created = steps.find(({ row }) => row.type === 'server.active');
  const request = steps.find(({ row }) => row.effects.some(({ type }) => type === 'createServer'));
  expect(created?.settled).toMatchObject({ effect: { type: 'createServer' }, version: request?.row.version });
});

describe('the marks of rows', () => {
  test('a failed test', () => {
    const failed = stepsOf('failing-test', 'job-1').filter((step) => step.failed);
    expect(failed.map(({ row }) => row.type)).toEqual(['stage.exited', 'results.read']);
  });

  test('no failure in a success', () => {
    for (const history of ['job-1', 'review-1'])
      expect(stepsOf('success', history).filter((step) => step.failed)).toEqual([]);
  });

  test('an attempt of a job, and one of a post', () => {
    const begun = (story: string, history: string) =>
      stepsOf(story, history)
        .filter((step) => step.beginsAttempt)
        .map(({ row }) => row.effects.map(({ type }) => type));
    const attempts = begun('boot-failed-once', 'job-1');
    expect(attempts).toHaveLength(2);
    for (const effects of attempts) expect(effects).toContain('createServer');
    const posts = begun('posted-at-the-third-try', 'review-1');
    expect(posts).toHaveLength(3);
    for (const effects of posts)
      expect(effects.filter((type) => /^(readChangeState|postReview)$/.test(type))).toHaveLength(1);
  });
});

test('ends before the first row that differs', () => {
  const rows = stories.success?.().rowsOf('job-1') ?? [];
  const altered = rows.map((row) => (row.version === 4 ? { ...row, state: 'done' } : row));
  const { steps, difference } = replayRows(altered, sha256);
  expect(steps.map(({ row }) => row.version)).toEqual([1, 2, 3]);
  expect(difference).toMatchObject({ version: 4, field: 'state' });
});

describe('changes of the context', () => {
  const changes = (before: Record<string, unknown> | null, after: Record<string, unknown>) =>
    contextChanges({
      before: before === null ? null : { context: before },
      after: { context: after },
    } as unknown as ReplayStep);

  test('by dotted path, sorted; a list is one value', () => {
    expect(
      changes(
        { b: { x: 1, y: [1] }, a: 'same', gone: null, kept: { z: 1 } },
        { b: { x: 2, y: [1, 2] }, a: 'same', added: {}, kept: { z: 1 } },
      ),
    ).toEqual([
      { path: 'added', before: undefined, after: {} },
      { path: 'b.x', before: 1, after: 2 },
      { path: 'b.y', before: [1], after: [1, 2] },
      { path: 'gone', before: null, after: undefined },
    ]);
  });

  test('the first row adds everything', () => {
    expect(changes(null, { a: 1 })).toEqual([{ path: 'a', before: undefined, after: 1 }]);
  });
});
