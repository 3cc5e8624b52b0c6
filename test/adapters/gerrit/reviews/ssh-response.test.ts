import { describe, expect, test } from 'vitest';
import { parseReviewResponse } from '../../../../src/adapters/gerrit/reviews/ssh-response.ts';

const END = '\n\nfatal: one or more reviews failed; review output above\n';
const read = (stderr: string, voted = true) => parseReviewResponse(1, stderr, '12,3', voted);

describe("Gerrit's answer to a review", () => {
  test('status 0 is posted, whatever the output', () => {
    expect(parseReviewResponse(0, 'a warning', '12,3', true)).toEqual({ is: 'posted' });
  });

  test.each([
    `error: Applying label "Verified": 1 is restricted${END}`,
    `fatal: label "Nope" is not a configured label`,
    `fatal: label "Verified": 9 is not a valid value`,
  ])('a refused vote: %j', (stderr) => {
    expect(read(stderr)).toMatchObject({ is: 'vote-rejected' });
    expect(read(stderr, false)).toMatchObject({ is: 'failed' });
  });

  test.each([
    `error: change is closed${END}`,
    `error: Cannot reduce vote on labels for closed change: Verified${END}`,
  ])('a vote on a closed change: %j', (stderr) => {
    expect(read(stderr)).toEqual({ is: 'closed', why: 'the change is closed' });
    expect(read(stderr, false)).toMatchObject({ is: 'failed' });
  });

  test.each([
    ['fatal: "12,3" no such patch set', false],
    ['fatal: project openstack/gone not found', false],
    [
      `error: One or more comments were rejected in validation: Comment size exceeds limit (17000 > 16384)${END}`,
      false,
    ],
    ['fatal: internal error while reading review input', true],
    ['fatal: not permitted', true],
    ['fatal: something new', true],
    ['', true],
  ])('%j fails, retryable: %s', (stderr, retryable) => {
    const answer = read(stderr);
    expect(answer).toMatchObject({
      is: 'failed',
      error: { operation: 'post review', target: '12,3', retryable },
    });
    if (answer.is === 'failed') expect(answer.error.hint).not.toBe('');
  });

  test.each([
    ['fatal: database error\n', 'is gone'],
    [`error: Not found: 12${END}`, 'turned private'],
    [`error: Not found: openstack/cinder~12${END}`, 'turned private'],
  ])('%j may mean that the change %s', (stderr) => {
    expect(read(stderr)).toMatchObject({
      is: 'perhaps-missing',
      error: { retryable: false },
    });
  });

  test('an answer of any length is truncated and printable', () => {
    const answer = read(`\u001b[31m${'x'.repeat(100_000)}`);
    if (answer.is !== 'failed') throw new Error('it did not fail');
    expect(answer.error.message.length).toBeLessThan(600);
    expect(answer.error.message).not.toContain('\u001b');
  });
});
