/** The built-in comment, compared as a whole, and its size. Hostile input is tested in compose.test.ts. */
import { describe, expect, test } from 'vitest';
import { byteLength } from '../../../src/machines/comment/byte-length.ts';
import { misreadings } from '../../../src/machines/comment/check-parsers.ts';
import { commentParts, renderComment, reviewMark } from '../../../src/machines/comment/comment.ts';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import { commentFacts, jobReport, reportSpec } from '../facts.ts';

const REVIEW = '0198c0de-0000-7000-8000-000000000001';
const facts = (reports: readonly JobReport[], changes = {}) =>
  commentFacts({ review: REVIEW, reports, trees: [], ...changes });
const render = (reports: readonly JobReport[], changes = {}) => renderComment(facts(reports, changes));
const BASE = 'b'.repeat(40);
const MERGED = 'c'.repeat(40);

describe('the whole text', () => {
  test('of a success, with the commit that was tested', () => {
    const trees = [{ project: 'openstack/cinder', branch: 'master', base: BASE, revision: MERGED }];
    expect(render([jobReport()], { trees })).toBe(`\
Build succeeded (check pipeline). How to rerun and whom to ask: https://wiki.example.org/Acme_CI

- acme-dsvm https://logs.example.org/45/912345/3/check/acme-dsvm/job-1/ : SUCCESS in 1h 02m 03s (3 passed, 1 skipped)

Tested as ${MERGED}: merged onto master at ${BASE}.
sos-ci review ${REVIEW}`);
  });

  test('of successes: every parser reads a line that counts the tests', () => {
    const results = { passed: 24, failed: 0, skipped: 1, failures: [] };
    const reports = [jobReport({ results, voting: false }), jobReport({ name: 'fc', results: null })];
    const parts = commentParts(facts(reports));
    expect(parts.jobs).toEqual([
      expect.stringMatching(/ : SUCCESS in 1h 02m 03s \(24 passed, 1 skipped\) \(non-voting\)$/),
      expect.stringMatching(/ : SUCCESS in 1h 02m 03s$/),
    ]);
    expect(misreadings(render(reports), parts.meaning)).toEqual([]);
  });

  test('of each kind of failure', () => {
    const jobs: readonly Partial<JobReport>[] = [
      { name: 'a', verdict: 'FAILURE', reason: '1 of 3 tests failed: test_a', durationMs: 61_000 },
      { name: 'b', verdict: 'TIMED_OUT', reason: 'testing exceeded its timeout', durationMs: 7_000 },
      { name: 'c', verdict: 'NODE_FAILURE', reason: 'create server: no quota', url: null, durationMs: 400 },
      {
        name: 'd',
        verdict: 'RETRY_LIMIT',
        reason: 'stacking: its command exited with 1',
        lastLine: 'E: Unable to locate package foo in https://mirror.example.org/',
      },
      { name: 'e', verdict: 'POST_FAILURE', reason: 'no test was run', voting: false },
      { name: 'f', verdict: 'ABORTED', reason: '', url: null },
    ];
    const text = render(jobs.map((job) => jobReport({ url: 'https://logs.example.org/x/', ...job })));
    expect(text).toBe(`\
Build failed (check pipeline). How to rerun and whom to ask: https://wiki.example.org/Acme_CI

- a https://logs.example.org/x/ : FAILURE in 1m 01s
- b https://logs.example.org/x/ : TIMED_OUT in 7s
- c https://wiki.example.org/Acme_CI : ERROR create server: no quota in 0s
- d https://logs.example.org/x/ : ERROR stacking: its command exited with 1 (E: Unable to locate package foo\u00a0in mirror.example.org/) in 1h 02m 03s
- e https://logs.example.org/x/ : POST_FAILURE in 1h 02m 03s (non-voting)
- f https://wiki.example.org/Acme_CI : ABORTED in 1h 02m 03s

a: 1 of 3 tests failed: test_a
b: testing exceeded its timeout
c: NODE_FAILURE, a problem with this CI, not a result of the patch. create server: no quota. There are no logs.
d: RETRY_LIMIT, could not be set up; this may or may not be caused by the patch. stacking: its command exited with 1. Its last output: E: Unable to locate package foo in https://mirror.example.org/
e: the tests ended, but no result can be shown. no test was run
f: not finished. There are no logs.
sos-ci review ${REVIEW}`);
  });

  test('of a patch that cannot be merged: its reason is given once for all jobs', () => {
    const reason = 'the patch does not merge with master of openstack/cinder: a.py, b.py';
    const refused = { verdict: 'MERGER_FAILURE', reason, url: null, durationMs: 900, results: null } as const;
    const text = render(['a', 'b', 'c', 'd', 'e'].map((name) => jobReport({ name, ...refused })));
    expect(text).toContain('- a https://wiki.example.org/Acme_CI : MERGER_FAILURE in 1s\n');
    expect(text).toContain(`\n\na, b, c and 2 more: Nothing was tested: ${reason}.\nsos-ci review`);
  });

  test('of a patch that was tested together with its dependencies', () => {
    const trees = ['openstack/cinder', 'openstack/os-brick'].map((project) => {
      return { project, branch: 'stable/2026.1', base: BASE, revision: MERGED };
    });
    expect(render([jobReport()], { trees })).toContain(`
Tested as ${MERGED}: merged onto stable/2026.1 at ${BASE}.
With openstack/os-brick as ${MERGED}: merged onto stable/2026.1 at ${BASE}.
sos-ci review`);
  });

  test('without a wiki page the link is the change, and without a change there is no link', () => {
    const reports = [jobReport({ verdict: 'ABORTED', url: null })];
    const lines = (changes: object) =>
      render(reports, { spec: reportSpec({ helpUrl: '' }), ...changes }).split('\n');
    expect(lines({}).slice(0, 3)).toEqual([
      'Build failed (check pipeline).',
      '',
      '- acme-dsvm https://review.example.org/c/openstack/cinder/%2B/912345 : ABORTED in 1h 02m 03s'.replace(
        '%2B',
        '+',
      ),
    ]);
    const { patchset } = facts(reports);
    expect(lines({ patchset: { ...patchset, url: '' } })[2]).toBe(
      '- acme-dsvm no-logs : ABORTED in 1h 02m 03s',
    );
  });

  test('announces the logs of each job that are not published yet', () => {
    const text = render([
      jobReport({ evidence: 'pending' }),
      jobReport({ name: 'fc', verdict: 'FAILURE', reason: '1 of 3 tests failed', evidence: 'pending' }),
    ]);
    const later = 'ts logs could not be published yet; they will be at the address above.';
    expect(text).toContain(`acme-dsvm: I${later}`);
    expect(text).toContain(`fc: 1 of 3 tests failed. I${later}`);
  });

  test('is a success when only non-voting jobs failed', () => {
    const text = render([jobReport(), jobReport({ name: 'fc', verdict: 'FAILURE', voting: false })]);
    expect(text).toMatch(/^Build succeeded /);
  });

  test('leaves out skipped jobs when others ran, and shows them without a time when none did', () => {
    const skipped = jobReport({ name: 'docs', verdict: 'SKIPPED', url: null });
    expect(render([jobReport(), skipped])).not.toContain('docs');
    expect(render([skipped])).toMatch(
      /^Build succeeded .*\n\n- docs https:\/\/wiki.example.org\/Acme_CI : SKIPPED\n\nsos-ci review/,
    );
  });
});

describe('the size', () => {
  const long = (name: string, reason: string, verdict: JobReport['verdict']) =>
    jobReport({
      name,
      verdict,
      reason,
      url: `https://logs.example.org/45/912345/3/check/${name}/0a1b2c3d4e5f/`,
    });

  test.each([
    ['100 jobs with long reasons', 100, 'x'.repeat(300), 'FAILURE', 16_000],
    ['100 jobs with reasons of many bytes', 100, '\u{1F4A5}'.repeat(300), 'FAILURE', 16_000],
    ['60 errors with long reasons', 60, 'x '.repeat(150), 'RETRY_LIMIT', 16_000],
    ['1,000 jobs', 1_000, 'x'.repeat(300), 'FAILURE', 16_384],
    ['one endless reason', 1, 'x'.repeat(100_000), 'RETRY_LIMIT', 16_000],
    ['10 jobs in a small message', 10, 'x'.repeat(300), 'FAILURE', 2_048],
  ] as const)('of %s is within the limit, and the run is named', (_, count, reason, verdict, limit) => {
    const reports = Array.from({ length: count }, (__, index) => long(`acme-dsvm-${index}`, reason, verdict));
    const some = facts(reports, { spec: reportSpec({ messageLimitBytes: limit }) });
    const text = renderComment(some);
    expect(byteLength(text)).toBeLessThanOrEqual(limit);
    expect(text.endsWith(`\n${reviewMark(REVIEW)}`)).toBe(true);
    const shown = text.split('\n').filter((line) => line.startsWith('- ')).length;
    const hidden = /^(\d+) more jobs are not shown here\.$/m.exec(text)?.[1] ?? '0';
    expect(shown + Number(hidden)).toBe(count);
    expect(shown).toBeGreaterThanOrEqual(Math.min(count, limit / 180));
    expect(misreadings(text, commentParts(some).meaning)).toEqual([]);
  });
});
