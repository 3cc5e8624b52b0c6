/** Whether a comment requests a run of this CI, of all CIs, or nothing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isRecheck,
  isRunCommand,
  matchingPattern,
  written,
} from '../../../../src/machines/trigger/rules/recheck-comment.ts';
import { CODE_POINT } from '../../../fixtures/code-point.ts';

describe('recheck', () => {
  test.each([
    'recheck',
    'Recheck',
    'RECHECK',
    '  recheck',
    '\n\nrecheck',
    'recheck bug 123',
    'recheck, the mirror was down',
    'recheck.',
    'Patch Set 3:\n\nrecheck',
    'Patch Set 3: Code-Review+1 Workflow-1\n\nrecheck this please',
    'Patch Set 3: -Code-Review\n\nrecheck',
    'Patch Set 3: recheck',
    'Patch Set 3: Verified+2 recheck',
    'Patch Set 3:\n\n(2 comments)\n\nrecheck',
    'Patch Set 3:\r\n\r\nrecheck\r\n',
  ])('%j is a recheck', (text) => {
    expect(isRecheck(text)).toBe(true);
  });

  test.each([
    '',
    'please recheck',
    '> recheck',
    'Patch Set 3:\n\n> recheck\n\nWhy?',
    'rechecked it, works',
    'recheck-all',
    'no recheck',
    'Patch Set 3: Code-Review+1',
    'Patch Set 3: Verified+1\n\nBuild succeeded (check pipeline).\n\n- a https://x/ : SUCCESS in 1s',
    'Patch Set 3:\n\nLooks good.\n\nrecheck',
    'run recheck',
    're-check',
  ])('%j is not a recheck', (text) => {
    expect(isRecheck(text)).toBe(false);
  });

  test('a long hostile comment is not a recheck', () => {
    expect(isRecheck(`Patch Set 1:${' A+1'.repeat(200_000)}`)).toBe(false);
    expect(isRecheck(`${' '.repeat(500_000)}x`)).toBe(false);
    expect(isRecheck('\n'.repeat(500_000))).toBe(false);
  });
});

describe('run-NAME', () => {
  const names = ['acme-ci', 'Acme Storage (iSCSI) CI'];

  test.each([
    'run-acme-ci',
    'run-Acme CI',
    'RUN-acme_ci',
    'Patch Set 3:\n\nrun-Acme CI',
    'Patch Set 3: Code-Review+1\n\n(1 comment)\n\nrun-acme-ci please',
    'run-Acme Storage (iSCSI) CI',
    'run-acme-storage-(iscsi)-ci.',
    'run-acme-ci\nbecause the mirror was down',
  ])('%j is for us', (text) => {
    expect(isRunCommand(text, names)).toBe(true);
  });

  test.each([
    'run-other-ci',
    'run-acme-cinder',
    'run-acme-ci-2',
    'run acme-ci',
    'please run-acme-ci',
    '> run-acme-ci',
    'run-acme',
    'run-',
    'recheck',
  ])('%j is not', (text) => {
    expect(isRunCommand(text, names)).toBe(false);
  });

  test('needs a name', () => {
    expect(isRunCommand('run-', ['', ' - '])).toBe(false);
  });
});

describe('own patterns', () => {
  test('are matched below the header', () => {
    expect(matchingPattern('Patch Set 3: Verified+1\n\nplease check acme', ['^check', 'acme$'])).toBe(
      'acme$',
    );
    expect(matchingPattern('Patch Set 3: Verified+1\n\nBuild succeeded', ['Patch Set', 'Verified'])).toBe(
      null,
    );
    expect(matchingPattern('check acme', [])).toBe(null);
  });

  test('may include the header, as in the patterns of other CIs', () => {
    const pattern = '(?i)^(Patch Set [0-9]+:)?( [\\w\\+-]*)*(\\n\\n)?\\s*(check-acme|verify-acme)';
    expect(matchingPattern('Patch Set 3: Code-Review+1\n\nverify-acme', [pattern])).toBe(pattern);
    expect(matchingPattern('Patch Set 3:\n\nI did verify-acme', [pattern])).toBe(null);
  });
});

test('the written text is the text below the header', () => {
  expect(written('Patch Set 3: Code-Review+2\n\n(1 comment)\n\nsee inline\nplease')).toBe(
    'see inline\nplease',
  );
  expect(written('Patch Set 3: Code-Review+2')).toBe('');
  expect(written('no header')).toBe('no header');
});

test('does not throw for any comment and name', () => {
  const text = fc.oneof(
    fc.string({ unit: CODE_POINT }),
    fc.string().map((rest) => `Patch Set 3: ${rest}`),
    fc.string().map((rest) => `run-${rest}`),
  );
  fc.assert(
    fc.property(text, fc.string({ unit: CODE_POINT }), (comment, name) => {
      const answers = [
        isRecheck(comment),
        isRunCommand(comment, [name]),
        isRunCommand(`run-${name}`, [comment]),
      ];
      expect(answers.every((answer) => typeof answer === 'boolean')).toBe(true);
    }),
  );
});
