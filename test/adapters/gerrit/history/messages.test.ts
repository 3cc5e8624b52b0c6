/** Gerrit's own sentences in the messages of a change: which are interpreted, and which are ignored. */
import { describe, expect, test } from 'vitest';
import { type Message, readMessages } from '../../../../src/adapters/gerrit/history/messages.ts';

const by = (username: string) => ({ username, name: '', email: '' });
let at = 0;
const says = (username: string, text: string): Message => {
  at += 1_000;
  return { at, by: by(username), text, id: '', tag: '' };
};
const read = (...messages: readonly (readonly [string, string])[]) =>
  readMessages(messages.map(([who, text]) => says(who, text)));
const votes = (...messages: readonly (readonly [string, string])[]) =>
  read(...messages).entries.map(({ approvals }) =>
    approvals.map(({ label, value, oldValue }) => `${label} ${oldValue}>${value}`).join(' '),
  );

describe('a comment', () => {
  test('is the text below a header that only Gerrit writes', () => {
    expect(read(['dev', 'Patch Set 3:\n\nrecheck']).entries).toMatchObject([
      { kind: 'comment', patchset: 3, text: 'Patch Set 3:\n\nrecheck', approvals: [], moot: false },
    ]);
    expect(read(['dev', 'Patch Set 3:']).entries).toHaveLength(1);
    expect(read(['dev', 'Patch Set 3: Code-Review+2\n\n(1 comment)\n\nsee inline']).entries).toHaveLength(1);
  });

  test.each([
    'Uploaded patch set 3.',
    'Uploaded patch set 3: Commit message was updated.',
    'Uploaded patch set 5.\n\nrecheck please',
    'Patch Set 6: Published edit on patch set 5.\n\nOutdated Votes:\n* Code-Review-1 (x)',
    'Patch Set 4: Patch Set 3 was rebased',
    'Patch Set 2: Cherry Picked from branch stable/x.',
    'Topic changed from a to b',
    'Hashtag added: recheck',
    'Removed Verified+1 by zuul <zuul@example.org>\n',
    'Set Work In Progress\n\nrecheck',
    'Set private',
    'recheck',
    '> Patch Set 3:\n\nrecheck',
    'Restoredness',
    'Patch Set 99999999999:\n\nrecheck',
    '',
  ])("is not a message of Gerrit's own, nor one without a header: %j", (text) => {
    expect(read(['dev', text]).entries).toEqual([]);
  });
});

describe('votes', () => {
  test('are read from the header, with their previous values', () => {
    expect(
      votes(
        ['zuul', 'Patch Set 1: Verified+1\n\nBuild succeeded'],
        ['zuul', 'Patch Set 1: Verified-1 Code-Review+2'],
        ['dev', 'Patch Set 1: Verified+1'],
        ['zuul', 'Patch Set 1: -Verified'],
        ['zuul', 'Patch Set 1:\n\nVerified+1'],
      ),
    ).toEqual(['Verified 0>1', 'Verified 1>-1 Code-Review 0>2', 'Verified 0>1', 'Verified -1>0', '']);
  });

  test('stay on an older patchset, except those that Gerrit copied', () => {
    const copied =
      'Copied Votes:\n* Verified+1 (copy condition: "changekind:NO_CODE_CHANGE")\n\nOutdated Votes:\n* Code-Review+2 (x)\n';
    expect(
      votes(
        ['zuul', 'Patch Set 2: Verified+1 Code-Review+2'],
        ['dev', `Uploaded patch set 3: Commit message was updated.\n\n${copied}`],
        ['zuul', 'Patch Set 3: Verified+1 Code-Review+2'],
        ['dev', 'Uploaded patch set 4.'],
        ['zuul', 'Patch Set 4: Verified+1'],
      ),
    ).toEqual(['Verified 0>1 Code-Review 0>2', 'Verified 1>1 Code-Review 0>2', 'Verified 0>1']);
  });

  test('that come with a push are returned as a comment without text', () => {
    expect(read(['dev', 'Uploaded patch set 1: Code-Review+1.']).entries).toMatchObject([
      { patchset: 1, text: '', approvals: [{ label: 'Code-Review', value: 1, oldValue: 0 }] },
    ]);
  });

  test.each([
    ['a vote', 'Removed Verified+1 by zuul <zuul@example.org>\n'],
    ['a vote, over REST', 'Removed Verified+1 by <GERRIT_ACCOUNT_1000002>\n'],
    ['a reviewer', 'Removed reviewer Z with the following votes:\n\n* Verified+1 by Z <z@example.org>\n'],
    ['votes', 'Removed the following votes:\n\n* Code-Review+1 by Dev (3)\n* Verified+1 by Z (2)\n'],
  ])('are gone when someone removed %s', (_what, removal) => {
    const vote = ['zuul', 'Patch Set 1: Verified+1'] as const;
    const other = (value: string) => ['acme', `Patch Set 1: Verified${value}`] as const;
    expect(votes(vote, other('-1'), ['admin', removal], vote, other('+1'))).toEqual([
      'Verified 0>1',
      'Verified 0>-1',
      'Verified 0>1',
      'Verified -1>1',
    ]);
  });

  test('that are removed without having been seen count as having existed', () => {
    expect(votes(['zuul', 'Patch Set 1: -Verified'])).toEqual(['Verified 1>0']);
  });
});

describe('ignored messages', () => {
  const moot = (...messages: readonly (readonly [string, string])[]) =>
    read(...messages).entries.map(
      ({ text, kind, moot: is }) => `${kind === 'comment' ? text.slice(14) : kind} ${is}`,
    );

  test('include those while the change was abandoned', () => {
    expect(
      moot(
        ['dev', 'Patch Set 1:\n\nbefore'],
        ['dev', 'Abandoned\n\nnot any more'],
        ['dev', 'Patch Set 1:\n\nmeanwhile'],
        ['dev', 'Restored'],
        ['dev', 'Patch Set 1:\n\nafter'],
      ),
    ).toEqual(['before false', 'meanwhile true', 'restored false', 'after false']);
  });

  test('include those before the change was shown', () => {
    expect(
      moot(
        ['dev', 'Patch Set 1:\n\nbefore'],
        ['dev', 'Unset private\n\nout'],
        ['dev', 'Patch Set 1:\n\nafter'],
      ),
    ).toEqual(['before true', 'after false']);
  });

  test('the newest message says when the change was shown or closed', () => {
    const result = read(
      ['a', 'Set Ready For Review'],
      ['b', 'Set Work In Progress'],
      ['c', 'Set Ready For Review\n\nwhy'],
    );
    expect([result.ready?.by.username, result.closed]).toEqual(['c', null]);
    expect(read(['a', 'Abandoned'], ['b', 'Restored'], ['c', 'Abandoned']).closed?.by.username).toBe('c');
    expect(read(['a', 'Change has been successfully merged by A']).closed?.by.username).toBe('a');
  });
});
