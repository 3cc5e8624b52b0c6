/** Which jobs run for the files of a patchset: includes, excludes, and unknown files. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALL_FILES, DOCS, judgeFiles } from '../../../../src/machines/trigger/rules/files.ts';
import { finds, patternProblem } from '../../../../src/machines/trigger/rules/regex.ts';
import { CODE_POINT } from '../../../fixtures/code-point.ts';

const DRIVER = 'cinder/volume/drivers/acme/iscsi.py';

describe('files', () => {
  test.each([
    ['no rules', [DRIVER], [], [], true],
    ['no rules and no files', [], [], [], true],
    ['included', [DRIVER], ['^cinder/'], [], true],
    ['not included', ['setup.cfg'], ['^cinder/'], [], false],
    ['one of several is included', ['setup.cfg', DRIVER], ['^cinder/'], [], true],
    ['a second pattern includes', [DRIVER], ['^nova/', 'acme'], [], true],
    ['excluded', ['doc/a.svg'], [], ['^doc/'], false],
    ['one of several is not excluded', ['doc/a.svg', DRIVER], [], ['^doc/'], true],
    ['included and excluded', ['cinder/tests/a.py'], ['^cinder/'], ['^cinder/tests/'], false],
    ['included, and another excluded', ['cinder/tests/a.py', DRIVER], ['^cinder/'], ['/tests/'], true],
    [
      'included is excluded, another is neither',
      ['cinder/tests/a.py', 'x'],
      ['^cinder/'],
      ['/tests/'],
      false,
    ],
    ['found anywhere in the path', ['a/doc/b'], [], ['doc/'], false],
    ['anchored to the beginning', ['a/doc/b'], [], ['^doc/'], true],
    ['docs only', ['doc/source/index.rst', 'README.rst', 'releasenotes/notes/a.yaml'], [], ['docs'], false],
    ['docs and code', ['README.rst', DRIVER], [], ['docs'], true],
    ['docs and another pattern', ['README.rst', 'tox.ini'], [], ['docs', '^tox\\.ini$'], false],
    ['no files', [], ['^cinder/'], ['docs'], true],
    ['too many files', null, ['^cinder/'], ['docs'], true],
  ])('%s', (_what, files, include, exclude, runs) => {
    expect(judgeFiles(files, { include, exclude })).toMatchObject({ runs });
  });

  test('are named in the reason', () => {
    const why = (files: readonly string[] | null, include: readonly string[], exclude: readonly string[]) =>
      judgeFiles(files, { include, exclude }).why;
    expect(judgeFiles([DRIVER], ALL_FILES).why).toBe('it runs for every file');
    expect(why([DRIVER], ['acme'], [])).toBe(`${DRIVER} is touched`);
    expect(why(['a.md'], [], ['docs'])).toBe('only documentation is touched');
    expect(why(['a.md'], [], ['docs', 'x'])).toBe('the patchset changes only excluded files');
    expect(why(['a.md'], ['\\.py$'], [])).toBe('the patchset changes none of its files');
    expect(why(null, ['\\.py$'], [])).toBe('the patchset touches more files than sos-ci reads');
    expect(why([], ['\\.py$'], [])).toBe('the patchset touches no file');
  });

  test.each([
    ['doc/source/a.py', true],
    ['docs/a', true],
    ['api-ref/source/a.inc', true],
    ['releasenotes/notes/a.yaml', true],
    ['README.rst', true],
    ['a/b.md', true],
    ['LICENSE', true],
    ['requirements.txt', false],
    ['doc.py', false],
    ['cinder/doc/a.py', false],
    ['a.rst.py', false],
    ['cinder/LICENSE.py', false],
  ])('%s is documentation: %s', (path, expected) => {
    expect(DOCS.some((rule) => finds(rule, path))).toBe(expected);
  });

  test('the patterns of docs are valid', () => {
    expect(DOCS.map(patternProblem)).toEqual(DOCS.map(() => null));
  });

  test('always give a reason, and never throw, for any patterns and paths', () => {
    const texts = fc.array(fc.oneof(fc.string(), fc.string({ unit: CODE_POINT }), fc.constant('docs')), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(fc.option(texts), texts, texts, (files, include, exclude) => {
        expect(judgeFiles(files, { include, exclude }).why).not.toBe('');
      }),
    );
  });
});
