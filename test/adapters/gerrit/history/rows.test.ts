/** A real Gerrit's answers to later queries, compared with what it streamed at the time. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { historyOf } from '../../../../src/adapters/gerrit/history/rows.ts';
import { parseEvent } from '../../../../src/adapters/gerrit/stream/parse-event.ts';
import type { ChangeHistory } from '../../../../src/engine/ports/event-source.ts';
import type { GerritEvent } from '../../../../src/machines/model/gerrit-event.ts';
import { change, DEV, patchSet } from '../event-json.ts';

const sample = (name: string) =>
  readFileSync(new URL(`../../../samples/gerrit-3.9.1-${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n');

/** Everything that one server streamed, and its answers after all events. */
const streamed = sample('lived').flatMap((line) => {
  const parsed = parseEvent(line);
  return 'event' in parsed && 'patchset' in parsed.event ? [parsed.event] : [];
});
const merges = sample('lived').flatMap((line) => {
  const parsed = parseEvent(line);
  return 'event' in parsed && parsed.event.type === 'change-merged' ? [parsed.event] : [];
});
const histories = sample('asked').flatMap((line) => historyOf(JSON.parse(line)) ?? []);

function historyOfChange(number: number): ChangeHistory {
  const found = histories.find((one) => one.change === number);
  if (found === undefined) throw new Error(`no change ${number}`);
  return found;
}

describe('the answers of a real server', () => {
  test('contain every comment and restore that it streamed, with the same text and order, at most a second off', () => {
    for (const { change: number, entries } of histories) {
      const events = streamed.filter(
        (event) =>
          event.patchset.change === number &&
          (event.type === 'comment-added' || event.type === 'change-restored'),
      );
      const kept = entries.filter(({ text }) => !text.includes('while private'));
      expect(kept.map(describeEntry)).toEqual(events.map(describeEvent));
      for (const [index, entry] of kept.entries()) {
        expect(Math.abs(entry.at - (events[index]?.at ?? 0))).toBeLessThanOrEqual(1_000);
      }
    }
    expect(histories.flatMap(({ entries }) => entries)).toHaveLength(23);
  });

  test('contain the current patchset of open changes, as it was streamed', () => {
    for (const number of [2, 3, 4]) {
      const events = streamed.filter(
        (event) => event.type === 'patchset-created' && event.patchset.change === number,
      );
      const { patchset, closed } = historyOfChange(number);
      expect(closed).toBeNull();
      const newest = events.at(-1);
      expect({ ...patchset?.event, at: 0 }).toEqual({ ...newest, at: 0 });
      expect(Math.abs((patchset?.at ?? 0) - (newest?.at ?? 0))).toBeLessThanOrEqual(1_000);
    }
  });

  test('say how a change ended, when, and by whom', () => {
    const [merged] = merges;
    expect(historyOfChange(1)).toMatchObject({ patchset: null, ready: null });
    expect(historyOfChange(1).closed).toMatchObject({
      type: 'change-merged',
      by: merged?.by,
      change: merged?.change,
    });
  });

  test('say when a change was shown; earlier messages are ignored', () => {
    expect(historyOfChange(4).ready).toMatchObject({
      event: { type: 'change-ready', wip: false, private: false },
    });
    expect(historyOfChange(4).ready?.readyAt).toBe(
      historyOfChange(4).entries.find(({ text }) => /4:\n\nrecheck/.test(text))?.at,
    );
    expect(historyOfChange(4).entries.find(({ text }) => text.includes('while private'))?.event).toBeNull();
    expect(historyOfChange(3)).toMatchObject({ ready: null, patchset: { event: { wip: true } } });
  });

  test('contain the votes that were cast, with their previous values', () => {
    const votes = (all: readonly GerritEvent[]) =>
      all.flatMap((event) =>
        event.type === 'comment-added'
          ? event.approvals
              .filter(({ oldValue }) => oldValue !== null)
              .map(({ label, value, oldValue }) => `${label} ${oldValue} ${value}`)
          : [],
      );
    const events = streamed.filter((event) => event.patchset.change === 2);
    expect(votes(historyOfChange(2).entries.flatMap(({ event }) => event ?? []))).toEqual(votes(events));
    expect(votes(events)).toEqual(['Verified 0 -1']);
  });
});

describe('a row', () => {
  const row = (changes: object = {}) => ({
    ...change,
    status: 'NEW',
    lastUpdated: 1_795_354_830,
    currentPatchSet: { ...patchSet, createdOn: 1_795_354_825 },
    comments: [{ timestamp: 1_795_354_826, reviewer: DEV, message: 'Patch Set 3:\n\nrecheck' }],
    ...changes,
  });

  test('of a closed change contains nothing to act on', () => {
    const closed = historyOf(
      row({
        status: 'ABANDONED',
        comments: [
          ...row().comments,
          { timestamp: 1_795_354_829, reviewer: DEV, message: 'Abandoned\n\nno' },
        ],
      }),
    );
    expect(closed?.entries.map(({ event }) => event)).toEqual([null]);
    expect(closed?.closed).toMatchObject({
      type: 'change-abandoned',
      at: 1_795_354_829_000,
      by: { username: 'dev' },
    });
    expect(historyOf(row({ status: 'MERGED', comments: [] }))?.closed).toMatchObject({
      type: 'change-merged',
      at: 1_795_354_830_000,
    });
  });

  test('contains nothing to act on for older patchsets', () => {
    const [entry] =
      historyOf(row({ comments: [{ timestamp: 1, reviewer: DEV, message: 'Patch Set 2:\n\nrecheck' }] }))
        ?.entries ?? [];
    expect(entry).toMatchObject({ patchset: 2, event: null });
  });

  test.each([
    ['no number', { number: undefined }],
    ['no patchset', { currentPatchSet: undefined }],
    ['a bad revision', { currentPatchSet: { ...patchSet, revision: 'HEAD', createdOn: 1 } }],
    ['a bad ref', { currentPatchSet: { ...patchSet, ref: 'refs/heads/master', createdOn: 1 } }],
    ['no project', { project: undefined }],
    ['a project that is an option', { project: '--exec=x' }],
  ])('with %s cannot be read', (_, changes) => {
    expect(historyOf(row(changes))).toBeNull();
  });

  test('with malformed comments is read without them', () => {
    for (const comments of [null, undefined, [], [7, null, 'x', []]]) {
      expect(historyOf(row({ comments }))?.entries).toEqual([]);
    }
    expect(historyOf(row({ comments: [7, ...row().comments] }))?.entries).toHaveLength(1);
    expect(historyOf(row({ comments: 'x' }))).toBeNull();
    for (const nothing of [null, 7, 'x', [], {}]) expect(historyOf(nothing)).toBeNull();
  });
});

function describeEntry({ kind, text, patchset, by }: ChangeHistory['entries'][number]): string {
  return kind === 'comment' ? `${patchset} ${by.username} ${text}` : `restored ${by.username}`;
}

function describeEvent(event: (typeof streamed)[number]): string {
  return event.type === 'comment-added'
    ? `${event.patchset.patchset} ${event.by.username} ${event.comment}`
    : `restored ${event.by.username}`;
}
