import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commandLine } from '../../../../src/adapters/gerrit/transport/ssh-command.ts';
import { splitWords } from '../../../fakes/gerrit-model.ts';

describe('a command line', () => {
  test('leaves plain words unchanged', () => {
    expect(commandLine(['gerrit', 'review', '--project', 'openstack/cinder', '12,3'])).toBe(
      'gerrit review --project openstack/cinder 12,3',
    );
  });

  test("quotes the others for Gerrit's parser", () => {
    expect(commandLine(["it's", 'a b', '', '$(id)', '"x"', '\\'])).toBe(
      `'it'\\''s' 'a b' '' '$(id)' '"x"' '\\'`,
    );
  });

  test('survives a round trip', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), (words) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are refused, see below.
        const printable = words.map((word) => word.replace(/[\u0000-\u001f\u007f]/g, '_'));
        expect(splitWords(commandLine(printable))).toEqual(printable);
      }),
    );
  });

  test.each(['a\nb', 'a\0b', 'a\tb', '\u007f'])('refuses control characters', (word) => {
    expect(() => commandLine(['gerrit', word])).toThrow(/control character/);
  });
});
