import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plainLines, plainText } from '../src/terminal-text.ts';
import { CODE_POINT } from './fixtures/code-point.ts';

describe('plainText', () => {
  test.each([
    ['colour', '\u001b[31mred\u001b[0m', '\\x1b[31mred\\x1b[0m'],
    ['clear screen', 'a\u001b[2J\u001b[H', 'a\\x1b[2J\\x1b[H'],
    ['window title', '\u001b]0;owned\u0007', '\\x1b]0;owned\\x07'],
    ['hyperlink', '\u001b]8;;http://evil\u001b\\x', '\\x1b]8;;http://evil\\x1b\\x'],
    ['8-bit CSI', '\u009b31m', '\\x9b31m'],
    ['carriage return over the line', 'FAILURE\rSUCCESS', 'FAILURE\\rSUCCESS'],
    ['backspaces', 'bad\b\b\bok', 'bad\\x08\\x08\\x08ok'],
    ['forged second line', 'x\n- job : SUCCESS', 'x\\n- job : SUCCESS'],
    ['right-to-left override', '\u202egnp.exe', '\\u202egnp.exe'],
    ['isolates and hidden marks', 'a\u2066b\u200bc\ufeffd', 'a\\u2066b\\u200bc\\ufeffd'],
    ['line separator', 'a\u2028b', 'a\\u2028b'],
    ['tag characters', 'a\u{e0041}b', 'a\\u{e0041}b'],
    ['half a surrogate', 'a\ud800b', 'a\\ud800b'],
    ['NUL and DEL', '\0\u007f', '\\x00\\x7f'],
    ['invisible filler', '\u3164', '\\u3164'],
  ])('escapes %s', (_name, hostile, shown) => {
    expect(plainText(hostile)).toBe(shown);
  });

  test.each(['Fix the iSCSI export', 'Grüße, 北京, привет, שלום, नमस्ते', '🚀 ship it 👩🏽', 'a\\x1b stays'])(
    'does not change %s',
    (text) => {
      expect(plainText(text)).toBe(text);
    },
  );

  test('leaves no control character in any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: CODE_POINT }), (text) => {
        expect(plainText(text)).not.toMatch(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/u);
      }),
    );
  });
});

describe('plainLines', () => {
  test('keeps line ends and tabs, and escapes other control characters', () => {
    expect(plainLines('ok 1\r\n\tnot ok\u001b[1A 2\rx\n')).toBe('ok 1\n\tnot ok\\x1b[1A 2\\rx\n');
  });
});
