import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseEvent } from '../../../../src/adapters/gerrit/stream/parse-event.ts';
import type { GerritEvent } from '../../../../src/machines/model/gerrit-event.ts';
import { change, comment, created, DEV, patchSet } from '../event-json.ts';

const sample = (version: string) =>
  readFileSync(new URL(`../../../samples/gerrit-${version}-stream.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n');

function event(json: unknown): GerritEvent {
  const parsed = parseEvent(JSON.stringify(json));
  if ('event' in parsed) return parsed.event;
  throw new Error(`rejected: ${parsed.rejected.reason}`);
}
function on(json: unknown): Extract<GerritEvent, { patchset: unknown }> {
  const result = event(json);
  if ('patchset' in result) return result;
  throw new Error(`no patchset in ${result.type}`);
}

describe('events of real servers', () => {
  test.each(['3.9.1', '3.12.0'])('%s: every line is parsed', (version) => {
    const counts: Record<string, number> = {};
    for (const line of sample(version)) {
      const parsed = parseEvent(line);
      const name = 'rejected' in parsed ? `rejected ${parsed.rejected.reason}` : nameOf(parsed.event);
      counts[name] = (counts[name] ?? 0) + 1;
    }
    expect(counts).toEqual({
      'patchset-created': 5,
      'comment-added': 6,
      'change-abandoned': 1,
      'change-restored': 1,
      'change-merged': 1,
      'other ref-updated': 28,
      'other topic-changed': 2,
      'change-ready': 2,
      'other wip-state-changed': 1,
      'other hashtags-changed': 1,
      'other vote-deleted': 1,
    });
  });

  test('parses a complete patchset', () => {
    expect(event(created)).toEqual({
      type: 'patchset-created',
      at: 1795354825000,
      kind: 'REWORK',
      wip: false,
      private: false,
      by: DEV,
      uploader: DEV,
      author: { ...DEV, username: '' },
      hashtags: ['acme'],
      patchset: {
        project: 'openstack/cinder',
        branch: 'master',
        change: 912345,
        patchset: 3,
        revision: patchSet.revision,
        ref: 'refs/changes/45/912345/3',
        subject: 'Acme: retry the login',
        owner: 'dev',
        url: change.url,
        topic: 'acme',
      },
    });
  });

  test('parses a comment with new and repeated votes', () => {
    expect(event(comment)).toMatchObject({
      type: 'comment-added',
      comment: comment.comment,
      by: { username: 'zuul', name: '', email: '' },
      approvals: [
        { label: 'Verified', value: 1, oldValue: 0 },
        { label: 'Code-Review', value: 0, oldValue: null },
      ],
    });
  });

  test('parses work in progress and private', () => {
    const result = on({ ...created, change: { ...change, wip: true, private: true } });
    expect([result.wip, result.private]).toEqual([true, true]);
  });

  test.each([
    ['wip-state-changed', {}, 'change-ready'],
    ['wip-state-changed', { private: true }, 'change-ready'],
    ['wip-state-changed', { wip: true }, 'other'],
    ['private-state-changed', {}, 'change-ready'],
    ['private-state-changed', { wip: true }, 'change-ready'],
    ['private-state-changed', { private: true }, 'other'],
  ])('%s with %j is %s', (type, flags, expected) => {
    const { uploader, ...rest } = created;
    const result = event({ ...rest, type, changer: uploader, change: { ...change, ...flags } });
    expect(result.type).toBe(expected);
    if (result.type === 'change-ready') {
      const { at, patchset, by } = on(created);
      expect(result).toMatchObject({
        type: expected,
        at,
        patchset,
        by,
        wip: false,
        private: false,
        ...flags,
      });
    }
  });
});

describe('an event without a patchset', () => {
  const { patchSet: _, uploader: by, ...bare } = created;

  test.each([
    ['change-abandoned', { abandoner: by }],
    ['change-merged', { submitter: by }],
    ['change-deleted', { deleter: by }],
  ])('%s needs no patchset', (type, who) => {
    const about = { type, at: 1795354825000, project: 'openstack/cinder', change: 912345, by };
    expect(event({ ...bare, type, ...who })).toEqual(about);
    expect(event({ ...bare, type, ...who, patchSet: { number: 'x' } })).toEqual(about);
  });

  test.each([
    'change-restored',
    'wip-state-changed',
    'private-state-changed',
    'comment-added',
    'patchset-created',
  ])('%s requests a lookup of the change', (type) => {
    const about = { at: 1795354825000, project: 'openstack/cinder', change: 912345 };
    expect(event({ ...bare, type })).toMatchObject({ type: 'change-incomplete', name: type, ...about });
  });

  test('that only hides the change is ignored', () => {
    const hides = (type: string, flags: object) => event({ ...bare, type, change: { ...change, ...flags } });
    expect(hides('wip-state-changed', { wip: true }).type).toBe('other');
    expect(hides('private-state-changed', { private: true }).type).toBe('other');
  });

  test('is rejected without a change', () => {
    const parsed = parseEvent(JSON.stringify({ type: 'change-restored', change: { number: 7 } }));
    expect(parsed).toMatchObject({ rejected: { reason: 'change-restored change.project' } });
  });
});

describe('shapes that vary', () => {
  test.each([
    [
      'numbers as strings',
      { ...created, change: { ...change, number: '912345' }, patchSet: { ...patchSet, number: '3' } },
    ],
    ['a project as an object', { ...created, change: { ...change, project: { name: 'openstack/cinder' } } }],
    [
      'the project only beside the change',
      { ...created, change: { ...change, project: undefined }, project: 'openstack/cinder' },
    ],
    [
      'the project there as an object',
      { ...created, change: { ...change, project: undefined }, project: { name: 'openstack/cinder' } },
    ],
    [
      'the branch only as a ref',
      { ...created, change: { ...change, branch: undefined }, refName: 'refs/heads/master' },
    ],
    ['the branch spelt out', { ...created, change: { ...change, branch: 'refs/heads/master' } }],
    ['no ref', { ...created, patchSet: { ...patchSet, ref: undefined } }],
    ['a change key', { ...created, changeKey: { key: 'I1' } }],
    ['the time as a string', { ...created, eventCreatedOn: '1795354825' }],
    [
      'the uploader only in the patchset',
      { ...created, uploader: undefined, patchSet: { ...patchSet, uploader: change.owner } },
    ],
  ])('%s', (_what, json) => {
    expect(event(json)).toEqual(event(created));
  });

  test('missing people, times, topic and kind are empty', () => {
    const bare = { number: 912345, project: 'p', branch: 'b' };
    const set = { number: 3, revision: patchSet.revision };
    expect(event({ type: 'patchset-created', change: bare, patchSet: set })).toMatchObject({
      at: 0,
      kind: '',
      by: { username: '', name: '', email: '' },
      patchset: { subject: '', owner: '', url: '', topic: '', ref: 'refs/changes/45/912345/3' },
    });
    expect(event({ type: 'comment-added', change: bare, patchSet: set })).toMatchObject({
      comment: '',
      approvals: [],
    });
  });

  test.each([[null], [7], ['dev'], [[]], [[7]], [{ username: null, name: 7 }]])(
    'an author in another form: %j',
    (author) => {
      expect(event({ ...comment, author })).toMatchObject({ by: { username: '', name: '', email: '' } });
    },
  );

  test.each([
    ['1', 1],
    ['+2', 2],
    ['-1', -1],
    [-2, -2],
    ['', 0],
    [undefined, 0],
  ])('a vote written %j', (value, expected) => {
    expect(event({ ...comment, approvals: [{ type: 'V', value }] })).toMatchObject({
      approvals: [{ label: 'V', value: expected, oldValue: null }],
    });
  });

  test('a deletion without patchset, dropped output, and unknown types', () => {
    const deleted = { type: 'change-deleted', change, deleter: change.owner, eventCreatedOn: 1 };
    expect(event(deleted)).toEqual({
      type: 'change-deleted',
      at: 1000,
      project: 'openstack/cinder',
      change: 912345,
      by: DEV,
    });
    expect(event({ type: 'dropped-output' })).toEqual({ type: 'dropped-output' });
    expect(event({ type: 'ref-replicated', anything: [1] })).toEqual({
      type: 'other',
      name: 'ref-replicated',
    });
    expect(event({ type: 'a b\n' })).toEqual({ type: 'other', name: 'unnamed' });
    expect(event({ type: 'x'.repeat(1_000) })).toEqual({ type: 'other', name: 'unnamed' });
  });
});

describe('displayed text', () => {
  test('is bounded, on one line, without control characters or lone surrogates', () => {
    const result = on({
      ...created,
      change: {
        ...change,
        subject: `a\nb\u001b[2J\u009b${'x'.repeat(5_000)}`,
        topic: '\ud83e',
        url: 'javascript:alert(1)',
      },
    });
    expect(result.patchset.subject).toHaveLength(1_000);
    expect(result.patchset.subject.startsWith('a b [2J x')).toBe(true);
    expect(result.patchset.topic).toBe('\ufffd');
    expect(result.patchset.url).toBe('');
  });

  test('a comment keeps its lines and its end is truncated', () => {
    const result = event({ ...comment, comment: `a\n\nb${'x'.repeat(100_000)}` });
    if (result.type !== 'comment-added') throw new Error(result.type);
    expect(result.comment).toHaveLength(65_536);
    expect(result.comment.startsWith('a\n\nbx')).toBe(true);
  });

  test('invalid UTF-8 is harmless in a text and rejected in a name', () => {
    const broken = (json: object) =>
      parseEvent(Buffer.from(JSON.stringify(json).replace('BAD', '\u00ff\u00fe'), 'latin1'));
    expect(broken({ ...comment, comment: 'a BAD b' })).toMatchObject({
      event: { comment: 'a \ufffd\ufffd b' },
    });
    expect(broken({ ...created, change: { ...change, project: 'BAD' } })).toMatchObject({
      rejected: { reason: 'patchset-created change.project' },
    });
  });
});

function nameOf(result: GerritEvent): string {
  return result.type === 'other' ? `other ${result.name}` : result.type;
}
