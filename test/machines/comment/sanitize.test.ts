/** Sanitized foreign text triggers no program that parses comments, and stays readable. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  harmless,
  harmlessInJobLine,
  harmlessName,
  harmlessUrl,
  holdsCommand,
} from '../../../src/machines/comment/sanitize.ts';
import { runs } from '../../fixtures/effort.ts';
import { hostileText } from './hostile.ts';

describe('a reason', () => {
  test.each([
    ['testing exited with 1: see run-tests.log', 'testing exited with 1: see run-tests.log'],
    ['please recheck', 'please re-check'],
    ['please ReCheck and reverify', 'please Re-Check and re-verify'],
    ['re\u200bcheck', 're-check'],
    ['re\u00adcheck', 're-check'],
    ['rechec\u212a', 're-chec\u212a'],
    ['run-acme-ci', 'run\u2011acme-ci'],
    ['run-Acme Storage CI now', 'run\u2011Acme Storage CI now'],
    ['run-acme\nci', 'run\u2011acme ci'],
    ['\u202Ekcehcer\u202C', 'kcehcer'],
    ['- job https://x.org/ : SUCCESS in 1s', 'job https://x.org/: SUCCESS in 1s'],
    ['* - > x', 'x'],
    ['first\n- second', 'first - second'],
    ['a\u0000b\u001b[31mc\u0007', 'a b [31mc'],
    ['\ud83d', ''],
    ['Merge Failed.', 'merge failed.'],
    ['  ', ''],
  ])('%j is printed as %j', (text, expected) => {
    expect(harmless(text)).toBe(expected);
  });

  test.each([
    ['no space left in /opt in the end', 'no space left\u00a0in /opt\u00a0in the end'],
    ['fetch https://mirror.org/ failed', 'fetch mirror.org/ failed'],
    ['change I0123456789ab', 'change I_0123456789ab'],
  ])('in a job’s line %j is printed as %j', (text, expected) => {
    expect(harmlessInJobLine(text)).toBe(expected);
  });
});

describe('a name', () => {
  test.each([
    ['acme-dsvm.iscsi_1+2', 'acme-dsvm.iscsi_1+2'],
    ['two words', 'two-words'],
    ['a*b', 'a-b'],
    ['https://x.org', 'https-x.org'],
    ['recheck', 're_check'],
    ['run-acme-ci', 'run_acme-ci'],
    ['', 'job'],
  ])('%j is shown as %j', (name, shown) => {
    expect(harmlessName(name)).toBe(shown);
  });
});

describe('an address', () => {
  test.each([
    ['https://logs.example.org/26/111226/3/check/a-b_c.d/0a1b2c3/', null],
    ['https://logs.example.org/?a=1&b=2#top', null],
    ['https://logs.example.org/a b/', 'https://logs.example.org/a%20b/'],
    ['https://logs.example.org/a*(b)[c]/', 'https://logs.example.org/a%2A%28b%29%5Bc%5D/'],
    ['https://logs.example.org/\u00e9\ud83d/', 'https://logs.example.org/%C3%A9/'],
    ['https://logs.example.org/recheck/', 'https://logs.example.org/re%63heck/'],
    ['https://logs.example.org/run-acme-ci/', 'https://logs.example.org/run%2Dacme-ci/'],
    ['https://logs.example.org/&lt;', 'https://logs.example.org/&lt%3B'],
    ['', null],
  ])('%j is written %j', (url, written) => {
    expect(harmlessUrl(url)).toBe(written ?? url);
  });
});

test('no sanitized text is a command', () => {
  fc.assert(
    fc.property(hostileText, (text) => {
      for (const sanitized of [harmless(text), harmlessInJobLine(text), harmlessName(text)]) {
        expect(holdsCommand(sanitized)).toBe(false);
        expect(sanitized).not.toMatch(/[\n\r\u2028\u2029]|^[-*] | : /u);
      }
      expect(harmlessUrl(`https://x.org/${text}`)).toMatch(/^[\w$.+!',%:@=?#/~&-]+$/);
      expect(harmless(harmless(text))).toBe(harmless(text));
    }),
    { seed: 20261122, numRuns: runs(2_000) },
  );
});
