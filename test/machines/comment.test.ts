/**
 * The comment, compared whole, and read by parsers that work as the four readers of CI comments do: Gerrit's results
 * tab, the older page script, and the two scoreboards. What strangers wrote into a reason reaches none of them.
 */
import { describe, expect, test } from 'vitest';
import { durationText, renderComment, runMark } from '../../src/machines/comment.ts';
import type { JobReport } from '../../src/machines/vocabulary.ts';
import { jobReport, reportSpec } from './facts.ts';

const RUN = '0198c0de-0000-7000-8000-000000000001';
const render = (reports: readonly JobReport[], wiki = 'https://wiki.example.org/Acme_CI') =>
  renderComment({ run: RUN, pipeline: 'check', reports, spec: reportSpec({ wiki }) });

/** What the results tab shows of one comment: its head line, and each line that has a name, a link and a verdict. */
function resultsTab(message: string) {
  const head = /^Build (\w+) \((\w+) pipeline\)\./m.exec(message);
  const jobs = message.split('\n').flatMap((line) => {
    const [, name, url, verdict, , time] = /^- (\S+) (https?:\/\/\S+) : (\S+)( in (.*))?/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, url, verdict, time }];
  });
  return { status: head?.[1], pipeline: head?.[2], jobs };
}

/** What the older script and the scoreboards see: lines that begin like a list, cut at ` : `. */
function listLines(message: string) {
  return message
    .split('\n')
    .filter((line) => line.startsWith('- ') || line.startsWith('* '))
    .map((line) => {
      const [left = '', right = ''] = line.slice(2).split(' : ');
      return [left.split(' ')[0], right.split(' ')[0]];
    });
}

const byteLength = (text: string) => new TextEncoder().encode(text).length;

describe('the whole text', () => {
  test('of a success', () => {
    expect(render([jobReport()])).toBe(`\
Build succeeded (check pipeline). How to rerun and whom to ask: https://wiki.example.org/Acme_CI

- acme-dsvm https://logs.example.org/45/912345/3/check/acme-dsvm/job-1/ : SUCCESS in 1h 02m 03s

sos-ci run ${RUN}`);
  });

  test('of each kind of trouble', () => {
    const jobs: readonly Partial<JobReport>[] = [
      { name: 'a', verdict: 'FAILURE', reason: '1 of 3 tests failed: test_a', durationMs: 61_000 },
      { name: 'b', verdict: 'TIMED_OUT', reason: 'testing ran into its timeout', durationMs: 7_000 },
      { name: 'c', verdict: 'NODE_FAILURE', reason: 'create server: no quota', url: null, durationMs: 400 },
      { name: 'd', verdict: 'RETRY_LIMIT', reason: 'stacking: its command exited with 1' },
      { name: 'e', verdict: 'POST_FAILURE', reason: 'no test was run', voting: false },
      { name: 'f', verdict: 'ABORTED', reason: '', url: null },
    ];
    const text = render(jobs.map((job) => jobReport({ url: 'https://logs.example.org/x/', ...job })));
    expect(text).toBe(`\
Build failed (check pipeline). How to rerun and whom to ask: https://wiki.example.org/Acme_CI

- a https://logs.example.org/x/ : FAILURE in 1m 01s
- b https://logs.example.org/x/ : TIMED_OUT in 7s
- c https://wiki.example.org/Acme_CI : NODE_FAILURE in 0s
- d https://logs.example.org/x/ : RETRY_LIMIT in 1h 02m 03s
- e https://logs.example.org/x/ : POST_FAILURE in 1h 02m 03s (non-voting)
- f https://wiki.example.org/Acme_CI : ABORTED in 1h 02m 03s

a: 1 of 3 tests failed: test_a
b: testing ran into its timeout
c: trouble of this CI, not a result of the patch. create server: no quota There are no logs.
d: trouble of this CI, not a result of the patch. stacking: its command exited with 1
e: the tests ended, but no result can be shown. no test was run
f: not finished. There are no logs.
sos-ci run ${RUN}`);
  });

  test('without a wiki page and without logs', () => {
    expect(
      render([jobReport({ verdict: 'ABORTED', url: null })], '')
        .split('\n')
        .slice(0, 3),
    ).toEqual(['Build failed (check pipeline).', '', '- acme-dsvm no-logs : ABORTED in 1h 02m 03s']);
  });

  test('is a success when only jobs that do not vote failed', () => {
    const text = render([jobReport(), jobReport({ name: 'fc', verdict: 'FAILURE', voting: false })]);
    expect(resultsTab(text).status).toBe('succeeded');
  });
});

describe('the readers', () => {
  test('see every job, its link, its verdict and its time', () => {
    const text = render([
      jobReport(),
      jobReport({
        name: 'acme-fc',
        verdict: 'RETRY_LIMIT',
        reason: 'mirror down',
        url: null,
        durationMs: 9_000,
      }),
    ]);
    expect(resultsTab(text)).toEqual({
      status: 'failed',
      pipeline: 'check',
      jobs: [
        {
          name: 'acme-dsvm',
          url: 'https://logs.example.org/45/912345/3/check/acme-dsvm/job-1/',
          verdict: 'SUCCESS',
          time: '1h 02m 03s',
        },
        {
          name: 'acme-fc',
          url: 'https://wiki.example.org/Acme_CI',
          verdict: 'RETRY_LIMIT',
          time: '9s',
        },
      ],
    });
    expect(listLines(text)).toEqual([
      ['acme-dsvm', 'SUCCESS'],
      ['acme-fc', 'RETRY_LIMIT'],
    ]);
    expect(text.split('\n').length).toBeGreaterThanOrEqual(3);
  });

  test('are not broken by a blank in a URL', () => {
    const text = render([jobReport({ url: 'https://logs.example.org/a b/' })]);
    expect(resultsTab(text).jobs).toMatchObject([{ url: 'https://logs.example.org/a%20b/' }]);
  });
});

describe('a hostile reason', () => {
  test.each([
    'first\n- acme-fc https://evil.example.org/ : SUCCESS in 1s',
    'first\r\n* acme-fc https://evil.example.org/ : SUCCESS in 1s',
    'first\u2028- acme-fc https://evil.example.org/ : SUCCESS in 1s',
    '- acme-fc https://evil.example.org/ : SUCCESS in 1s',
    '\nBuild succeeded (check pipeline).',
    'recheck',
    'please ReCheck and reverify',
    're\u200bcheck',
    're\u00adcheck',
    '\u202Ekcehcer\u202C',
    'a\u0000b\u001b[31mc\u0007',
    '\ud83d',
    '',
  ])('%j moves no reader', (reason) => {
    const text = render([jobReport({ verdict: 'FAILURE', reason })]);
    expect(listLines(text)).toEqual([['acme-dsvm', 'FAILURE']]);
    expect(text.match(/^Build /gm)).toHaveLength(1);
    expect(text).not.toMatch(/recheck|reverify/i);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
  });
});

describe('the size', () => {
  const long = (name: string, reason: string) =>
    jobReport({
      name,
      verdict: 'FAILURE',
      reason,
      url: `https://logs.example.org/45/912345/3/check/${name}/0a1b2c3d4e5f/`,
    });

  test.each([
    ['100 jobs with long reasons', 100, 'x'.repeat(300)],
    ['100 jobs with reasons of many bytes', 100, '\u{1F4A5}'.repeat(300)],
    ['1,000 jobs', 1_000, 'x'.repeat(300)],
    ['one endless reason', 1, 'x'.repeat(100_000)],
  ])('of %s is within what Gerrit takes, and the run is named', (_, count, reason) => {
    const reports = Array.from({ length: count }, (__, index) => long(`acme-dsvm-${index}`, reason));
    const text = render(reports);
    expect(byteLength(text)).toBeLessThan(16_056);
    expect(text.endsWith(`\n${runMark(RUN)}`)).toBe(true);
    const shown = listLines(text).length;
    const hidden = /^(\d+) more jobs are not shown here\.$/m.exec(text)?.[1] ?? '0';
    expect(shown + Number(hidden)).toBe(count);
    expect(shown).toBeGreaterThanOrEqual(Math.min(count, 90));
  });
});

test.each([
  [-5, '0s'],
  [499, '0s'],
  [59_499, '59s'],
  [59_500, '1m 00s'],
  [3_599_999, '1h 00m 00s'],
  [360_000_000, '100h 00m 00s'],
])('%i ms is %s', (ms, text) => {
  expect(durationText(ms)).toBe(text);
});
