/** Matches patchset-level comments to the messages that they were posted with. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fingerprintOf, type SeenEvent, textHash } from '../../../src/machines/trigger/deduplication.ts';
import {
  type Message,
  matchComments,
  type PatchsetComment,
} from '../../../src/machines/trigger/patchset-comments.ts';
import { sha256 } from '../simulator.ts';

const NOON = 1_795_350_000_000;
const ABOUT = { kind: 'comment', change: 7, patchset: 3, account: 'alice' } as const;
const PLUS_ONE = [{ label: 'Code-Review', value: 1 }];
const message = (seconds: number, hidden: number, changes: Partial<Message> = {}): Message => ({
  ...ABOUT,
  at: NOON + seconds * 1_000,
  votes: [],
  written: '',
  hidden,
  ...changes,
});
const bySsh = (...texts: readonly string[]): readonly PatchsetComment[] =>
  texts.map((text) => ({ account: 'alice', patchset: 3, at: null, text }));
const byRest = (seconds: number, text: string): PatchsetComment => {
  return { account: 'alice', patchset: 3, at: NOON + seconds * 1_000, text };
};
let numbers = 0;
const seen = (seconds: number, words: string, votes: Message['votes'] = [], id?: string): SeenEvent => {
  numbers += 1;
  const text = fingerprintOf(votes, textHash(words, sha256), sha256);
  const about = { ...ABOUT, at: NOON + seconds * 1_000, text, ...(id === undefined ? {} : { id }) };
  return { ...about, number: numbers, streamed: true, hidden: false };
};
const matched = (
  messages: readonly Message[],
  comments: readonly PatchsetComment[],
  known: readonly SeenEvent[] = [],
) => {
  const found = matchComments(messages, comments, known, 5_000, sha256);
  return messages.map((message) => found.get(message)?.comments.join(' | '));
};

describe('without seen events', () => {
  test('comments are assigned by the numbers of the messages if these add up', () => {
    const messages = [message(0, 2), message(60, 0, { written: 'by ssh' }), message(120, 1)];
    expect(matched(messages, bySsh('a', 'b', 'c'))).toEqual(['a | b', '', 'c']);
  });

  test('the newest messages get the comments if others were on files', () => {
    expect(matched([message(0, 1), message(60, 1)], bySsh('recheck'))).toEqual(['', 'recheck']);
    expect(matched([message(0, 3), message(60, 2)], bySsh('a', 'b'))).toEqual(['a', 'b']);
    expect(matched([message(0, 3), message(60, 2)], bySsh('a', 'b', 'c'))).toEqual(['a', 'b | c']);
  });

  test('a forged number costs neither time nor memory', () => {
    const messages = Array.from({ length: 1_000 }, (_, index) => message(index * 60, 999_999));
    expect(matched(messages, bySsh('recheck')).filter((text) => text !== '')).toEqual(['recheck']);
  });

  test('REST comments are matched by time', () => {
    const messages = [message(0, 1), message(60, 4)];
    expect(matched(messages, [byRest(0, 'recheck')])).toEqual(['recheck', '']);
    expect(matched(messages, [byRest(60, 'a'), byRest(60, 'b')])).toEqual(['', 'a | b']);
    expect(matched(messages, [byRest(30, 'of no message')])).toEqual(['', '']);
  });
});

describe('a seen event', () => {
  test('keeps its comments, and other messages get the rest', () => {
    const messages = [message(0, 1), message(10, 1), message(20, 1)];
    expect(matched(messages, bySsh('recheck', 'thanks'), [seen(0, 'recheck'), seen(20, '')])).toEqual([
      'recheck',
      'thanks',
      '',
    ]);
  });

  test('does not change the order of comments if the numbers add up', () => {
    const messages = [message(0, 1), message(1, 1)];
    expect(matched(messages, bySsh('recheck', 'thanks'), [seen(0, 'recheck')])).toEqual([
      'recheck',
      'thanks',
    ]);
    expect(matched(messages, bySsh('thanks', 'recheck'), [seen(0, 'recheck')])).toEqual([
      'thanks',
      'recheck',
    ]);
  });

  test('keeps the comment of an old message, so that a later message with a file comment does not get it', () => {
    const old = seen(-86_400, 'recheck');
    expect(matched([message(-86_400, 1), message(0, 1)], bySsh('recheck'), [old])).toEqual(['recheck', '']);
  });

  test('is matched by id even if another message is closer', () => {
    const messages = [message(0, 1, { id: 'a' }), message(0, 1, { id: 'b' })];
    const comments = [byRest(0, 'recheck'), byRest(0, 'thanks')];
    expect(matched(messages, comments, [seen(0, 'thanks', [], 'a')])).toEqual(['thanks', 'recheck']);
    expect(matched(messages, comments, [seen(0, 'recheck', [], 'a')])).toEqual(['recheck', 'thanks']);
  });

  test('is distinguished by votes', () => {
    const messages = [message(0, 1), message(1, 1, { votes: PLUS_ONE })];
    expect(matched(messages, bySsh('LGTM', 'LGTM'), [seen(1, 'LGTM', PLUS_ONE)])).toEqual(['LGTM', 'LGTM']);
    const found = matchComments(messages, bySsh('LGTM', 'LGTM'), [], 5_000, sha256);
    expect(new Set(messages.map((message) => found.get(message)?.text)).size).toBe(2);
  });

  test('whose text was deleted matches the closest message, and uses no comment', () => {
    const known = seen(1, 'it was deleted', PLUS_ONE);
    const messages = [message(0, 1, { votes: PLUS_ONE }), message(3, 1)];
    expect(matched(messages, bySsh('recheck'), [known])).toEqual(['', 'recheck']);
    expect(matchComments(messages, [], [known], 5_000, sha256).get(messages[0] as Message)?.text).toBe(
      known.text,
    );
    expect(matched([message(0, 1)], bySsh('recheck'), [known])).toEqual(['recheck']);
  });

  test('can match one of several comments of a message', () => {
    expect(
      matched([message(0, 2), message(60, 1)], bySsh('Done', 'recheck', 'x'), [seen(0, 'recheck')]),
    ).toEqual(['recheck', 'x']);
    expect(matched([message(0, 2)], bySsh('a', 'b'), [seen(0, 'a\nb')])).toEqual(['a | b']);
  });
});

test('each comment belongs to at most one message, none has more than its number, and the order is kept', () => {
  const anyMessage = fc.record({ seconds: fc.nat(20), hidden: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 12 }), fc.nat(15), (all, count) => {
      const messages = [...all]
        .sort((one, other) => one.seconds - other.seconds)
        .map(({ seconds, hidden }) => message(seconds, hidden));
      const texts = Array.from({ length: count }, (_, index) => String(index));
      const found = matchComments(messages, bySsh(...texts), [], 5_000, sha256);
      const shares = messages.map((message) => found.get(message)?.comments ?? []);
      const given = shares.flat().map(Number);
      expect(given).toEqual([...new Set(given)].sort((one, other) => one - other));
      for (const [index, share] of shares.entries()) {
        expect(share.length).toBeLessThanOrEqual(messages[index]?.hidden ?? 0);
      }
    }),
  );
});
