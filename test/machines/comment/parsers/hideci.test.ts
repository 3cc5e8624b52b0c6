/** The older script of the review page: which lists and links it reads, and which results it misses. */
import { describe, expect, test } from 'vitest';
import { readPageScript } from '../../../../src/machines/comment/parsers/hideci.ts';
import { COMMENT, names, read } from '../../readers/comments.ts';

const head = 'Build failed (check pipeline).\n\n';

describe('the page script', () => {
  test('shows the jobs of a comment in the form that all parsers accept', () => {
    const reading = read(readPageScript, COMMENT);
    expect(names(reading)).toEqual(['example-dsvm-iscsi SUCCESS', 'example-dsvm-fc FAILURE']);
    expect(reading?.pipeline).toBe('check');
  });

  test.each([
    ['stars', '* job https://x.org/ : SUCCESS in 5s'],
    ['an error', '- job https://x.org/ : ERROR the mirror is down in 5s'],
    ['an ampersand in a link', '- job https://x.org/?a=1&b=2 : SUCCESS in 5s'],
  ])('accepts %s', (_, line) => {
    expect(names(read(readPageScript, head + line))).toHaveLength(1);
  });

  test.each([
    ['no link', '- job no-logs : SUCCESS in 5s'],
    ['a character that ends the link', '- job https://x.org/[1]/ : SUCCESS in 5s'],
    ['a second link', '- job https://x.org/ : ERROR https://mirror.org/ is down in 5s'],
    ['a change id, which is a link too', '- job https://x.org/ : ERROR see I0123456789abcdef in 5s'],
    ['a line that begins with a space beside it', ' x\n- job https://x.org/ : SUCCESS in 5s'],
    ['a quote', '> \n- job https://x.org/ : SUCCESS in 5s'],
  ])('ignores %s', (_, lines) => {
    expect(read(readPageScript, head + lines)).toBeNull();
  });

  test('accepts every line of a list as an item, including one without a dash', () => {
    const lines = '- a https://x.org/ : SUCCESS in 5s\nb https://x.org/ : FAILURE in 5s';
    expect(names(read(readPageScript, head + lines))).toEqual(['a SUCCESS', 'b FAILURE']);
    expect(names(read(readPageScript, `${head}b https://x.org/ : FAILURE in 5s\n${lines}`))).toHaveLength(2);
  });

  test('requires a name that ends in CI, and Gerrit’s line', () => {
    expect(read(readPageScript, COMMENT, 'Example CI (test)')).toBeNull();
    expect(readPageScript({ author: 'Example CI', text: COMMENT })).toBeNull();
  });
});
