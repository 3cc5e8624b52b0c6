/** The scoreboard ciwatch: finds results anywhere in a line, and the pipeline in the third line. */
import { describe, expect, test } from 'vitest';
import { readCiwatch } from '../../../../src/machines/comment/parsers/ciwatch.ts';
import { COMMENT, names, read } from '../../readers/comments.ts';

describe('ciwatch', () => {
  test('shows the jobs of a comment in the form that all parsers accept', () => {
    const reading = read(readCiwatch, COMMENT);
    expect(names(reading)).toEqual(['example-dsvm-iscsi SUCCESS', 'example-dsvm-fc FAILURE']);
    expect(reading?.pipeline).toBe('check');
  });

  test('finds results in the middle of a line, and keeps the last of each job', () => {
    const text = `${COMMENT}\n\nexample-dsvm-fc: as in - example-dsvm-fc https://x.org/ : SUCCESS it was`;
    expect(names(read(readCiwatch, text))).toEqual(['example-dsvm-iscsi SUCCESS', 'example-dsvm-fc SUCCESS']);
  });

  test.each([
    '- job https://x.org/ : TIMED_OUT in 5s',
    '- job https://x.org/ : ERROR no space in 5s',
    '- job https://x.org/a*b/ : SUCCESS in 5s',
    '- a*b https://x.org/ : SUCCESS in 5s',
    '- job ftp://x.org/ : SUCCESS in 5s',
  ])('ignores %s', (line) => {
    expect(read(readCiwatch, `Build failed (check pipeline).\n\n${line}`)?.jobs).toEqual([]);
  });

  test('fails on a message of two lines', () => {
    expect(readCiwatch({ author: 'Example CI', text: 'Patch Set 3:\n' })).toBeNull();
    expect(read(readCiwatch, 'x')).toEqual({ status: null, pipeline: null, jobs: [] });
  });

  test('reads the pipeline only from the third line', () => {
    expect(read(readCiwatch, 'Well:\n\nBuild failed (check pipeline).')?.pipeline).toBeNull();
    expect(read(readCiwatch, 'Build failed (check pipeline). (my pipeline)')?.pipeline).not.toBe('check');
  });
});
