/** What counts as a `Depends-On:` line, in all forms seen in practice, and in hostile ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dependsOn, pagesOf } from '../../../../src/adapters/gerrit/changes/depends-on.ts';
import { CODE_POINT } from '../../../fixtures/code-point.ts';

const PAGES = pagesOf('gerrit.example.org', 'https://review.example.org/c/openstack/cinder/+/912345');
const ID = `I${'0123456789abcdef'.repeat(3).slice(0, 40)}`;

const found = (text: string, pages = PAGES) =>
  dependsOn(text, pages).map((reference) => (reference.by === 'number' ? reference.change : reference.id));
const value = (text: string, pages = PAGES) => found(`Subject\n\nDepends-On: ${text}\n`, pages);

describe('a line names a change', () => {
  it.each([
    ['https://review.example.org/c/openstack/nova/+/7'],
    ['https://review.example.org/c/openstack/nova/+/7/'],
    ['https://review.example.org/c/openstack/nova/+/7/3'],
    ['https://review.example.org/c/openstack/nova/+/7/3/nova/virt.py'],
    ['https://review.example.org/c/openstack%2Fnova/+/7'],
    ['https://review.example.org/#/c/7'],
    ['https://review.example.org/#/c/7/'],
    ['https://review.example.org/#/c/7/3'],
    ['https://review.example.org/#/c/openstack/nova/+/7'],
    ['https://review.example.org/c/7'],
    ['https://review.example.org/7'],
    ['https://review.example.org/7/'],
    ['https://review.example.org/7/3'],
    ['http://review.example.org/7'],
    ['https://REVIEW.example.org:8443/7'],
    ['https://gerrit.example.org/7'],
    ['https://review.example.org/7  '],
    ['https://review.example.org/7\r'],
  ])('by %s', (text) => {
    expect(value(text)).toEqual([7]);
  });

  it('by its Change-Id, bare or in a query', () => {
    expect(value(ID)).toEqual([ID]);
    expect(value(`https://review.example.org/#/q/${ID}`)).toEqual([ID]);
    expect(value(`https://review.example.org/q/change:${ID}`)).toEqual([ID]);
  });

  it('in upper or lower case, anywhere in the message, each once, in order', () => {
    const text = `depends-on: ${ID}\nS\n\nDEPENDS-ON:https://review.example.org/9\nDepends-On: https://review.example.org/8\nDepends-On: ${ID}`;
    expect(found(text)).toEqual([ID, 9, 8]);
  });

  it("where Gerrit's URL has a path prefix", () => {
    const pages = pagesOf('example.org', 'https://example.org/gerrit/c/a/+/1');
    expect(value('https://example.org/gerrit/c/a/+/7', pages)).toEqual([7]);
    expect(value('https://example.org/gerrit/7', pages)).toEqual([7]);
    expect(value('https://example.org/gerrit/#/c/7', pages)).toEqual([7]);
    expect(value('https://example.org/bugs/7', pages)).toEqual([]);
  });

  it('where Gerrit has no web URL configured', () => {
    expect(value('https://h/c/a/+/7', pagesOf('h', ''))).toEqual([7]);
    expect(value('https://h/7', pagesOf('h', 'https://h/912345'))).toEqual([7]);
  });
});

describe('a line names no change', () => {
  it.each([
    ['https://github.com/openstack/nova/pull/7'],
    ['https://review.example.org.evil.org/7'],
    ['https://review.example.org@evil.org/7'],
    ['https://evil.org/https://review.example.org/7'],
    ['https://review.example.org/'],
    ['https://review.example.org/c/openstack/nova/+/'],
    ['https://review.example.org/c/openstack/nova/+/7x'],
    ['https://review.example.org/q/topic:7'],
    ['https://review.example.org/q/status:open'],
    ['https://review.example.org/99999999999'],
    ['https://review.example.org/2147483648'],
    ['https://review.example.org/0'],
    ['ssh://review.example.org/7'],
    ['file:///7'],
    ['review.example.org/7'],
    ['7'],
    ['I123'],
    [`${ID}0`],
    ['-x OR status:open'],
    [''],
    [`https://review.example.org/${'a'.repeat(3_000)}/+/7`],
  ])('%s', (text) => {
    expect(value(text)).toEqual([]);
  });

  it('not on a separate line', () => {
    expect(found(`see Depends-On: ${ID}`)).toEqual([]);
    expect(found(`> Depends-On: ${ID}`)).toEqual([]);
    expect(found(`Depends-On: ${ID} and more`)).toEqual([]);
  });
});

it('returns numbers and Change-Ids only, whatever the message contains', () => {
  const part = fc.constantFrom(
    'Depends-On: ',
    'https://review.example.org',
    '/c/',
    '/+/',
    '/#',
    '7',
    ' OR ',
    '\n',
    ID,
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(part, fc.string({ unit: CODE_POINT })), { maxLength: 30 }), (parts) => {
      for (const reference of found(parts.join(''))) {
        expect(String(reference)).toMatch(/^(?:[1-9]\d{0,9}|I[0-9a-f]{40})$/);
      }
    }),
  );
});

it('parses in bounded time a message that is built to be slow', () => {
  const nasty = `Depends-On: https://review.example.org/c/${'/+/'.repeat(600)}x\n`.repeat(30);
  const before = process.cpuUsage().user;
  found(`${nasty}${'depends-on:'.repeat(3_000)}${' '.repeat(20_000)}x`);
  expect(process.cpuUsage().user - before).toBeLessThan(2_000_000);
});
