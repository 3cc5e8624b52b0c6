import { describe, expect, test } from 'vitest';
import { parsePatchset } from '../../../src/cli/commands/run.ts';
import { CliError } from '../../../src/cli/output/exit-codes.ts';
import { liveText } from '../../../src/cli/output/terminal.ts';

describe('a patchset on the command line', () => {
  test('is change and patchset', () => {
    expect(parsePatchset('912345,3')).toEqual({ change: 912345, patchset: 3 });
  });

  test.each(['912345', '912345/3', '0,1', '1,0', '-1,2', '1,2,3', '1e3,1', '', '9999999999,1'])(
    '%j is not a patchset',
    (text) => {
      expect(() => parsePatchset(text)).toThrow(CliError);
    },
  );
});

describe('live output', () => {
  function printed(chunks: readonly string[]): string {
    let all = '';
    const take = liveText((text) => {
      all += text;
    });
    for (const chunk of chunks) take(chunk);
    return all;
  }

  test('keeps lines with any line ends and any split into chunks', () => {
    expect(printed(['one\r', '\ntwo\r\n', '10%\r20%\r', 'done\n'])).toBe('one\ntwo\n10%\n20%\ndone\n');
  });

  test('escapes control characters', () => {
    expect(printed(['\u001b[2J\u001b]0;x\u0007ok'])).toBe('\\x1b[2J\\x1b]0;x\\x07ok');
  });
});
