/** Recognizes decided events in later query results, exactly as often as they happened. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import {
  type EventFingerprint,
  eventFingerprint,
  findUnconfirmed,
  matchSeen,
  type SeenEvent,
  samePatchset,
} from '../../../src/machines/trigger/deduplication.ts';
import { runs } from '../../fixtures/effort.ts';
import { PATCHSET } from '../facts.ts';
import { sha256 } from '../simulator.ts';

const TOLERANCE_MS = 5_000;
const NOON = 1_795_350_000_000;
const by = { username: 'alice', name: 'Alice', email: 'alice@example.org' };
const base = { at: NOON, patchset: PATCHSET, wip: false, private: false, by };
const comment = (text: string, changes = {}): GerritEvent => ({
  ...base,
  type: 'comment-added',
  comment: text,
  approvals: [],
  ...changes,
});
const at = (seconds: number, changes: Partial<EventFingerprint> = {}): EventFingerprint => ({
  kind: 'comment',
  change: 7,
  patchset: 3,
  account: 'alice',
  text: 'recheck',
  at: NOON + seconds * 1_000,
  ...changes,
});
let numbers = 0;
const seen = (fingerprint: EventFingerprint, changes: Partial<SeenEvent> = {}): SeenEvent => {
  numbers += 1;
  return { ...fingerprint, number: numbers, streamed: true, hidden: false, ...changes };
};
const fresh = (
  entries: readonly EventFingerprint[],
  before: readonly SeenEvent[],
  during: readonly SeenEvent[] = [],
) => {
  const { fresh: found, ambiguous } = matchSeen(entries, before, during, TOLERANCE_MS);
  return { fresh: found, ambiguous };
};

describe('a fingerprint', () => {
  const text = (comment_: string) => eventFingerprint(comment(comment_), sha256)?.text;

  test('of a comment has change, patchset, account, and text without regard to white space', () => {
    expect(eventFingerprint(comment('Patch Set 3:\n\nrecheck'), sha256)).toEqual({
      kind: 'comment',
      change: PATCHSET.change,
      patchset: PATCHSET.patchset,
      account: 'alice',
      text: text('Patch Set 3: recheck'),
      at: NOON,
    });
    expect(text(' recheck\r\n with  crlf \t\n')).toBe(text('recheck\nwith crlf'));
    expect(text('recheck')).not.toBe(text('Recheck'));
  });

  test('of an account without a username has its email or name', () => {
    const account = (who: object) => eventFingerprint(comment('x', { by: who }), sha256)?.account;
    expect(account({ username: '', name: 'N', email: 'e@x' })).toBe('e@x');
    expect(account({ username: '', name: 'N', email: '' })).toBe('N');
  });

  test('of a patchset is the same for all its events, and that of a restored change has no patchset', () => {
    const created = eventFingerprint({ ...base, type: 'patchset-created', kind: 'REWORK' }, sha256);
    expect(created).toMatchObject({
      kind: 'patchset',
      patchset: PATCHSET.patchset,
      account: '',
      text: 'master',
    });
    expect(eventFingerprint({ ...base, type: 'change-ready' }, sha256)).toEqual(created);
    expect(eventFingerprint({ ...base, type: 'change-restored' }, sha256)).toMatchObject({
      kind: 'restored',
      patchset: 0,
      account: 'alice',
    });
  });

  test('does not exist for events that start nothing', () => {
    const closed = { at: NOON, project: PATCHSET.project, change: PATCHSET.change, by };
    expect(eventFingerprint({ ...closed, type: 'change-abandoned' }, sha256)).toBeNull();
    expect(eventFingerprint({ ...closed, type: 'change-merged' }, sha256)).toBeNull();
    expect(eventFingerprint({ type: 'dropped-output' }, sha256)).toBeNull();
  });
});

describe('an entry of a query', () => {
  test('is new if no match was seen', () => {
    expect(fresh([at(2), at(0)], [])).toEqual({ fresh: [at(0), at(2)], ambiguous: false });
  });

  test('is known if the stream reported it a second earlier or later', () => {
    for (const second of [-1, 0, 1]) expect(fresh([at(0)], [seen(at(second))]).fresh).toEqual([]);
  });

  test.each([
    ['another change', { change: 8 }],
    ['another patchset', { patchset: 4 }],
    ['another account', { account: 'bob' }],
    ['another text', { text: 'recheck please' }],
    ['another kind', { kind: 'restored' as const }],
  ])('does not match %s', (_, changes) => {
    expect(fresh([at(0)], [seen(at(0, changes))]).fresh).toEqual([at(0)]);
  });

  test('is new if the match is much earlier', () => {
    expect(fresh([at(0), at(60)], [seen(at(0))]).fresh).toEqual([at(60)]);
  });

  test('that occurs eight times in a second is new as often as it was not seen', () => {
    const eight = Array.from({ length: 8 }, () => at(0));
    for (let known = 0; known <= 8; known += 1) {
      const before = Array.from({ length: known }, (_, index) => seen(at(index % 2)));
      expect(fresh(eight, before).fresh).toHaveLength(8 - known);
    }
  });

  test('does not use the match of a newer entry', () => {
    // The oldest entry is from before our start: the seen event is the newer one.
    expect(fresh([at(-1), at(0)], [seen(at(0))]).fresh).toEqual([at(-1)]);
    expect(fresh([at(-1), at(0)], [seen(at(1))]).fresh).toEqual([at(-1)]);
  });

  test('for a patchset matches at any time', () => {
    const patchset = (second: number) => at(second, { kind: 'patchset', account: '', text: '' });
    expect(fresh([patchset(0)], [seen(patchset(86_400))]).fresh).toEqual([]);
    expect(samePatchset(patchset(0), [seen(patchset(99))])).not.toBeNull();
    expect(samePatchset(at(0, { kind: 'patchset', patchset: 4 }), [seen(patchset(0))])).toBeNull();
  });

  test('is ambiguous only if events during the query make a difference', () => {
    expect(fresh([at(0), at(1)], [seen(at(0))], [seen(at(1))])).toEqual({ fresh: [], ambiguous: true });
    expect(fresh([at(0)], [seen(at(0))], [seen(at(1))])).toEqual({ fresh: [], ambiguous: false });
    expect(fresh([at(0)], [], [seen(at(60))])).toEqual({ fresh: [at(0)], ambiguous: false });
  });
});

describe('the stream', () => {
  test('may report an event that a query has found', () => {
    const brought = [seen(at(4), { streamed: false }), seen(at(1), { streamed: false }), seen(at(0))];
    for (const second of [0, 2, 86_400])
      expect(findUnconfirmed(at(second), brought)).toMatchObject({ at: at(1).at });
    expect(findUnconfirmed(at(2, { account: 'bob' }), brought)).toBeNull();
    expect(findUnconfirmed(at(2), [seen(at(2))])).toBeNull();
  });
});

describe('for any comments, of which any were seen, with times off by a second', () => {
  const one = fc.record({
    second: fc.nat({ max: 30 }),
    account: fc.constantFrom('alice', 'bob'),
    how: fc.constantFrom('missed', 'query', 'stream'),
    off: fc.integer({ min: -1, max: 1 }),
  });

  test('exactly the missed comments are new', () => {
    fc.assert(
      fc.property(fc.array(one, { maxLength: 40, size: 'max' }), (comments) => {
        const entries = comments.map(({ second, account }) => at(second, { account }));
        const before = comments.flatMap(({ second, account, how, off }) => {
          if (how === 'missed') return [];
          return [seen(at(second + (how === 'stream' ? off : 0), { account }))];
        });
        for (const account of ['alice', 'bob']) {
          const missed = comments.filter((it) => it.account === account && it.how === 'missed').length;
          const found = fresh(entries, before).fresh.filter((it) => it.account === account);
          expect(found).toHaveLength(missed);
        }
      }),
      { numRuns: runs(500) },
    );
  });

  test('comments during the query are not new twice, and the next query finds the rest', () => {
    const timely = fc.record({ entries: fc.boolean() });
    fc.assert(
      fc.property(fc.array(fc.tuple(one, timely), { maxLength: 30, size: 'max' }), (comments) => {
        const all = comments.map(([{ second }]) => at(second));
        const before: SeenEvent[] = [];
        const during: SeenEvent[] = [];
        // Comments that the stream reports during the query may be in its result or not; all others are.
        const entries = comments.flatMap(([{ second, how, off }, { entries: inAnswer }]) => {
          if (how === 'query') before.push(seen(at(second)));
          if (how === 'stream') during.push(seen(at(second + off)));
          return how !== 'stream' || inAnswer ? [at(second)] : [];
        });
        const missed = comments.filter(([{ how }]) => how === 'missed').length;
        const first = fresh(entries, before, during);
        expect(first.fresh.length).toBeLessThanOrEqual(missed);
        if (!first.ambiguous) expect(first.fresh).toHaveLength(missed);
        const taken = first.fresh.map((it) => seen(it, { streamed: false }));
        const again = fresh(all, [...before, ...during, ...taken]);
        expect(first.fresh.length + again.fresh.length).toBe(missed);
      }),
      { numRuns: runs(500) },
    );
  });
});
