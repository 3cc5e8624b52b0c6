import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import { type MailFacts, type MailSpec, reviewMail } from '../../../src/machines/review/mail.ts';
import { CODE_POINT } from '../../fixtures/code-point.ts';
import { runs } from '../../fixtures/effort.ts';
import { PATCHSET } from '../facts.ts';

const SPEC: MailSpec = { to: ['ci@acme.example'], on: 'always', attempts: 3, retryMs: 1, timeoutMs: 1 };

const report = (changes: Partial<JobReport> = {}): JobReport => ({
  job: 'job-1',
  name: 'acme-dsvm',
  voting: true,
  verdict: 'FAILURE',
  reason: '2 of 9 tests failed: test_a, test_b',
  lastLine: null,
  evidence: 'published',
  url: 'https://logs.example.org/45/912345/3/',
  durationMs: 3_723_000,
  results: null,
  ...changes,
});

const facts = (changes: Partial<MailFacts> = {}): MailFacts => ({
  review: 'review-1',
  pipeline: 'check',
  patchset: PATCHSET,
  reports: [report(), report({ name: 'acme-fc', voting: false, verdict: 'SUCCESS', reason: '', url: null })],
  posted: true,
  ...changes,
});

const HOSTILE = ['\r', '\n', '\0', '\u2028', '\u202e', '\u001b[31m', 'Bcc: x@y', '\ud83d', '🦀', 'a', ' '];

describe('the mail of a review', () => {
  test('has the worst verdict in its subject, and the details in its text', () => {
    expect(reviewMail(facts(), SPEC)).toEqual({
      id: 'review.review-1',
      to: ['ci@acme.example'],
      subject: 'FAILURE: openstack/cinder 912345,3 (check) Make it faster',
      text: [
        'Change:  912345,3 https://review.example.org/c/openstack/cinder/+/912345',
        'Project: openstack/cinder, master',
        'Subject: Make it faster',
        'Owner:   alice',
        'Review:  review-1, posted',
        '',
        'acme-dsvm: FAILURE in 1h 02m 03s',
        '    2 of 9 tests failed: test_a, test_b',
        '    https://logs.example.org/45/912345/3/',
        'acme-fc: SUCCESS in 1h 02m 03s (non-voting)',
        '',
      ].join('\n'),
    });
  });

  test.each([
    [['SUCCESS', 'SKIPPED'], 'SUCCESS'],
    [['NODE_FAILURE', 'FAILURE', 'SUCCESS'], 'FAILURE'],
    [['SUCCESS', 'MERGER_FAILURE'], 'MERGER_FAILURE'],
  ] as const)('%j is reported as %s', (verdicts, word) => {
    const mail = reviewMail(facts({ reports: verdicts.map((verdict) => report({ verdict })) }), SPEC);
    expect(mail?.subject).toMatch(new RegExp(`^${word}: `));
  });

  test('foreign text stays within one subject line and one line of the text each', () => {
    const odd = fc.oneof(
      fc.string({ unit: CODE_POINT, maxLength: 300 }),
      fc.array(fc.constantFrom(...HOSTILE), { maxLength: 60 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(odd, odd, odd, odd, (subject, owner, reason, branch) => {
        const patchset = { ...PATCHSET, subject, owner, branch };
        const mail = reviewMail(facts({ patchset, reports: [report({ reason })] }), SPEC);
        expect(mail?.subject).toMatch(/^[^\p{Cc}\p{Cs}\p{Cf}\u2028\u2029]{1,200}$/u);
        expect(mail?.text.split('\n')).toHaveLength(reason === '' ? 9 : 10);
        expect(mail?.text).not.toMatch(/[\p{Cs}\p{Cf}\u2028\u2029]|(?!\n)\p{Cc}/u);
      }),
      { numRuns: runs(1_000) },
    );
  });
});
