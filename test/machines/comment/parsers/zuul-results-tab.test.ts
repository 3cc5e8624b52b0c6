/** Gerrit's results tab: which messages are results, and how each job's line is parsed. */
import { describe, expect, test } from 'vitest';
import { readResultsTab } from '../../../../src/machines/comment/parsers/zuul-results-tab.ts';
import { COMMENT, read } from '../../readers/comments.ts';

describe('the results tab', () => {
  test('shows the jobs of a comment in the form that all parsers accept', () => {
    expect(read(readResultsTab, COMMENT)).toEqual({
      status: 'failed',
      pipeline: 'check',
      jobs: [
        {
          name: 'example-dsvm-iscsi',
          verdict: 'SUCCESS',
          link: 'https://logs.example.org/26/111226/3/check/example-dsvm-iscsi/0a1b2c3/',
        },
        {
          name: 'example-dsvm-fc',
          verdict: 'FAILURE',
          link: 'https://logs.example.org/26/111226/3/check/example-dsvm-fc/0a1b2c4/',
        },
      ],
    });
  });

  test.each([
    ['- job https://x.org/ : SUCCESS in 2m 45s', 'SUCCESS'],
    ['- job https://x.org/ : SKIPPED', 'SKIPPED'],
    ['- job https://x.org/ : POST_FAILURE in 5s (non-voting)', 'POST_FAILURE'],
    ['- job https://x.org/ : ERROR No space left in 2m 45s', 'ERROR'],
    ['- job https://x.org/ : ERROR', 'ERROR'],
    // The parser expects a reason, and shows an empty cell.
    ['- job https://x.org/ : ERROR  in 5s', ''],
    ['- job build/0a1b2c : SUCCESS', 'SUCCESS'],
  ])('%s is %s', (line, verdict) => {
    expect(read(readResultsTab, `Build failed (check pipeline).\n\n${line}`)?.jobs).toMatchObject([
      { verdict },
    ]);
  });

  test.each([
    '* job https://x.org/ : SUCCESS in 5s',
    '- job no-logs : SUCCESS in 5s',
    '- two words https://x.org/ : SUCCESS in 5s',
    '- job https://x.org/ SUCCESS in 5s',
    'acme: - job https://x.org/ : SUCCESS in 5s',
    ' - job https://x.org/ : SUCCESS in 5s',
  ])('%s is no job', (line) => {
    expect(read(readResultsTab, `Build failed (check pipeline).\n\n${line}`)?.jobs).toEqual([]);
  });

  test('accepts no other message as a result', () => {
    expect(read(readResultsTab, 'Starting check jobs.')).toBeNull();
    expect(read(readResultsTab, `I think: ${COMMENT}`)).toBeNull();
    expect(read(readResultsTab, COMMENT, 'Alice')).toBeNull();
  });

  test('uses the first line of its form, and needs no pipeline', () => {
    const twice = 'Build failed (check pipeline).\n\nBuild succeeded (gate pipeline).';
    expect(read(readResultsTab, twice)).toMatchObject({ status: 'failed', pipeline: 'check' });
    expect(read(readResultsTab, 'Build succeeded.')).toMatchObject({
      status: 'succeeded',
      pipeline: 'unknown',
    });
    expect(read(readResultsTab, 'Build failed (my-check pipeline).')).toBeNull();
  });
});
