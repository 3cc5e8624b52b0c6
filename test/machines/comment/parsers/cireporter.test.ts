/** The cireporter scoreboard: reads every line with a dash or a star as a job, and fails on some of them. */
import { describe, expect, test } from 'vitest';
import { readCireporter } from '../../../../src/machines/comment/parsers/cireporter.ts';
import { COMMENT, names, read } from '../../readers/comments.ts';

describe('cireporter', () => {
  test('shows the jobs of a comment in the form that all parsers accept', () => {
    expect(names(read(readCireporter, COMMENT))).toEqual([
      'example-dsvm-iscsi SUCCESS',
      'example-dsvm-fc FAILURE',
    ]);
  });

  test.each([
    ['- job no-logs : ERROR no space left in 5s', 'ERROR'],
    ['* job https://x.org/ : SKIPPED', 'SKIPPED'],
    ['- two words https://x.org/ : SUCCESS in 5s', ':'],
  ])('reads %s as a job that is %s', (line, verdict) => {
    expect(read(readCireporter, line)?.jobs).toMatchObject([{ verdict }]);
  });

  test.each([
    ['too few words', '- that was it'],
    ['an address for a name', '- http://x.org/ https://x.org/ : SUCCESS in 5s'],
    ['a success without a time', '- main https://x.org/ : SUCCESS'],
  ])('fails on %s', (_, line) => {
    expect(read(readCireporter, line)).toBeNull();
  });

  test.each(['\u2028', '\u0085', '\f', '\v', '\u001c', '\r'])('ends a line at %j too', (end) => {
    expect(names(read(readCireporter, `x${end}- job https://x.org/ : SUCCESS in 5s`))).toEqual([
      'job SUCCESS',
    ]);
  });
});
