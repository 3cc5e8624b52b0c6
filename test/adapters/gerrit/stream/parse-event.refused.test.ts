/** Rejected lines: the reason is short and can be counted. */
import { describe, expect, test } from 'vitest';
import { parseEvent } from '../../../../src/adapters/gerrit/stream/parse-event.ts';
import { change, comment, created, patchSet } from '../event-json.ts';

function reason(json: unknown): string {
  const parsed = parseEvent(typeof json === 'string' ? json : JSON.stringify(json));
  if ('rejected' in parsed) return parsed.rejected.reason;
  throw new Error(`accepted: ${JSON.stringify(parsed.event)}`);
}
describe('a rejected line', () => {
  test.each([
    ['not-json', '{"type":'],
    ['not-json', 'ssh: no route'],
    ['not-an-object', '[]'],
    ['not-an-object', '"text"'],
    ['not-an-object', 'null'],
    ['no-type', {}],
    ['no-type', { type: 7 }],
  ])('%s: %j', (expected, json) => {
    expect(reason(json)).toBe(expected);
  });

  test.each([
    ['patchSet.revision', { patchSet: { ...patchSet, revision: 'HEAD' } }],
    ['patchSet.revision', { patchSet: { ...patchSet, revision: `${patchSet.revision}0` } }],
    ['patchSet.ref', { patchSet: { ...patchSet, ref: 'refs/heads/master' } }],
    ['patchSet.ref', { patchSet: { ...patchSet, ref: 'refs/changes/45/912345/4' } }],
    ['patchSet.number', { patchSet: { ...patchSet, number: 0 } }],
    ['patchSet.number', { patchSet: { ...patchSet, number: 1.5 } }],
    ['patchSet', { patchSet: null }],
    ['change.number', { change: { ...change, number: '1; rm' } }],
    ['change.number', { change: { ...change, number: 2 ** 40 } }],
    ['change.project', { change: { ...change, project: '--upload-pack=x' } }],
    ['change.project', { change: { ...change, project: '../../etc' } }],
    ['change.project', { change: { ...change, project: '/etc' } }],
    ['change.project', { change: { ...change, project: 'a\nb' } }],
    ['change.project', { change: { ...change, project: 'p'.repeat(1_000) } }],
    ['change.project', { change: { ...change, project: undefined } }],
    ['change.branch', { change: { ...change, branch: '-b' } }],
    ['change.branch', { change: { ...change, branch: '' } }],
  ])('a bad %s', (path, part) => {
    expect(reason({ ...created, ...part })).toBe(`patchset-created ${path}`);
  });

  test('votes that are not numbers, and too many of them', () => {
    expect(reason({ ...comment, approvals: [{ type: 'V', value: 'yes' }] })).toBe(
      'comment-added approvals.value',
    );
    const many = Array(201).fill({ type: 'V', value: '1' });
    expect(reason({ ...comment, approvals: many })).toBe('comment-added approvals');
  });

  test('has a short and printable sample', () => {
    const parsed = parseEvent(`\u001b[31m${'x'.repeat(10_000)}`);
    if (!('rejected' in parsed)) throw new Error('accepted');
    expect(parsed.rejected.sample).toBe(` [31m${'x'.repeat(195)}`);
  });
});
