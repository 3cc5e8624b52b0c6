import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTap, type TapResult } from '../../../src/adapters/results/tap.ts';
import { TAP_LIMITS } from '../../../src/adapters/results/tap-limits.ts';

/** Output of `node --test --test-reporter tap` (20.20), with shortened details. */
const NODE = `TAP version 13
# Subtest: volume
    # Subtest: attaches
    ok 1 - attaches
      ---
      duration_ms: 0.6
      ...
    # Subtest: keeps a \\# in its name
    not ok 2 - keeps a \\# in its name
      ---
      duration_ms: 2.2
      failureType: 'testCodeFailure'
      error: |-
        expected
        not ok 1 - evil
        Bail out!
          ...
        1..9
      code: 'ERR_ASSERTION'
      ...
    # Subtest: slow
    ok 3 - slow # SKIP not today
      ---
      duration_ms: 0.1
      ...
    # Subtest: snapshots
        # Subtest: clones
        not ok 1 - clones
          ---
          duration_ms: 0.1
          ...
        1..1
    not ok 4 - snapshots
      ---
      duration_ms: 0.2
      failureType: 'subtestsFailed'
      ...
    1..4
not ok 1 - volume
  ---
  duration_ms: 4.6
  type: 'suite'
  ...
# Subtest: fails after its subtest
    # Subtest: fine
    ok 1 - fine
      ---
      duration_ms: 0.1
      ...
    1..1
not ok 2 - fails after its subtest
  ---
  duration_ms: 0.4
  ...
# Subtest: later
    # Subtest: not yet
    not ok 1 - not yet
      ---
      duration_ms: 0.1
      ...
    1..1
not ok 3 - later # TODO
  ---
  duration_ms: 0.4
  ...
# Subtest: /tree/broken.test.js
not ok 2 - /tree/broken.test.js
  ---
  duration_ms: 87
  exitCode: 1
  ...
1..4
# tests 7
# pass 2
# fail 4
`;

function read(text: string, limits = TAP_LIMITS, size = 7): Promise<TapResult> {
  const bytes = Buffer.from(text);
  async function* chunks() {
    for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
  }
  return readTap(chunks(), limits);
}

describe('readTap', () => {
  it('names the failing tests of a real report, the nested ones by their path', async () => {
    expect(await read(NODE)).toEqual({
      passed: 2,
      failed: 4,
      skipped: 2,
      failures: [
        'volume > keeps a # in its name',
        'volume > snapshots > clones',
        'fails after its subtest',
        '/tree/broken.test.js',
      ],
    });
  });

  it('counts only failed tests in a report that was truncated anywhere', async () => {
    const bytes = Buffer.from(NODE);
    const whole = NODE.indexOf('\n1..4\n') + '\n1..4'.length;
    const all = ['volume > keeps a # in its name', 'volume > snapshots > clones', 'fails after its subtest'];
    const firstResult = NODE.indexOf('not ok 1 - volume\n') + 'not ok 1 - volume\n'.length;
    for (let length = 0; length < whole; length += 1) {
      const result = await read(bytes.subarray(0, length).toString());
      if (length < firstResult) expect(result, `cut at ${length}`).toHaveProperty('unreadable');
      else if ('unreadable' in result) throw new Error(`cut at ${length}: ${result.unreadable}`);
      else if (result.failures.length < 4) expect(all.slice(0, result.failed)).toEqual(result.failures);
    }
    expect(await read(NODE.slice(0, whole))).toHaveProperty('failed', 4);
  });

  it('ignores a failure in a truncated line, because a TODO may be missing', async () => {
    expect(await read('1..3\nok 1 - a\nnot ok 2 - b')).toHaveProperty('unreadable');
    expect(await read('1..3\nok 1 - a\nnot ok 2 - b\n')).toHaveProperty('failures', ['b']);
    expect(await read('1..2\nok 1 - a\nnot ok 2 - b')).toHaveProperty('failures', ['b']);
  });

  it('keeps a failure before an unreadable part', async () => {
    const limits = { ...TAP_LIMITS, bytes: 100, lineBytes: 20 };
    const failed = { passed: 0, failed: 1, skipped: 0, failures: ['a'] };
    expect(await read(`not ok 1 - a\nok 2 - ${'x'.repeat(50)}\n1..2\n`, limits)).toEqual(failed);
    expect(await read(`not ok 1 - a\n${'\n'.repeat(100)}`, limits)).toEqual(failed);
  });

  it('accepts tests in any order, with bounded memory', async () => {
    const numbers = Array.from({ length: 1000 }, (_, index) => 1000 - index);
    const text = `1..1000\n${numbers.map((number) => `ok ${number}\n`).join('')}`;
    expect(await read(text)).toEqual({ passed: 1000, failed: 0, skipped: 0, failures: [] });
    expect(await read(text, { ...TAP_LIMITS, unordered: 500 })).toEqual({
      unreadable: 'the tests are numbered too far out of order',
    });
  });

  it.each([
    [
      'a plan in front',
      '1..2\nok 1 - a\nnot ok 2 - b\n',
      { passed: 1, failed: 1, skipped: 0, failures: ['b'] },
    ],
    ['version 14', 'TAP version 14\n1..1\nok 1 - a\n', { passed: 1, failed: 0, skipped: 0, failures: [] }],
    ['no numbers', 'ok - a\nnot ok\n1..2\n', { passed: 1, failed: 1, skipped: 0, failures: ['test 2'] }],
    [
      'a number in a name',
      'ok 1 2nd try\nok 3rd\n1..2\n',
      { passed: 2, failed: 0, skipped: 0, failures: [] },
    ],
    ['no tests', '1..0 # SKIP no driver\n', { passed: 0, failed: 0, skipped: 0, failures: [] }],
    ['Windows line endings', '1..1\r\nok 1 - a\r\n', { passed: 1, failed: 0, skipped: 0, failures: [] }],
    ['no newline at the end of the file', 'ok 1\n1..1', { passed: 1, failed: 0, skipped: 0, failures: [] }],
    [
      'noise between the lines',
      'hello\nok 1 - a\n  ok 5 not TAP\n            ok 6 too deep\nnotok\nokay\n1..1\n',
      { passed: 1, failed: 0, skipped: 0, failures: [] },
    ],
    [
      'excused tests',
      'not ok 1 - a # todo later\nok 2 - b # Skipped: no\nok 3 - c #skip\n1..3\n',
      { passed: 0, failed: 0, skipped: 3, failures: [] },
    ],
    [
      'failures under a test that passed',
      '    not ok 1 - inner\n    1..1\nok 1 - outer\n1..1\n',
      { passed: 0, failed: 1, skipped: 0, failures: ['outer > inner'] },
    ],
  ])('reads %s', async (_what, text, expected) => {
    expect(await read(text)).toEqual(expected);
  });

  it.each([
    ['an empty file', '', 'the file is empty'],
    ['another kind of file', '<html>\n<p>ok</p>\n', 'cut short: no plan in the file'],
    ['no plan', 'ok 1 - a\n', 'cut short: no plan in the file'],
    ['too few tests', '1..3\nok 1 - a\n', 'cut short: 3 tests planned, 1 found in the file'],
    ['a number twice', 'ok 1\nok 1 - b\n1..2\n', 'number 1 is given twice, the second time to b'],
    ['a bail out', 'ok 1\nBail out! no \x1b[31mdisk\n1..1\n', 'the tests bailed out: no \\x1b[31mdisk'],
    ['a bail out in a subtest', '    Bail out!\nok 1\n1..1\n', 'the tests bailed out'],
    ['a strange version', 'TAP version 15\n1..1\nok 1\n', 'TAP version 15 is not supported'],
    ['unfinished details', '1..1\nok 1\n  ---\n  a: 1\n', 'cut short inside the details of a test'],
    ['subtests without a plan', '    ok 1\nok 1 - a\n1..1\n', 'cut short: no plan in a'],
    [
      'subtests that end the file',
      'ok 1\n    1..1\n    ok 1\n1..1\n',
      'subtests are left without the result of their test',
    ],
  ])('reports %s as unreadable', async (_what, text, unreadable) => {
    expect(await read(text)).toEqual({ unreadable });
  });

  it('keeps only the first names, truncated and escaped', async () => {
    const long = `\u202e${'n'.repeat(500)}`;
    const lines = Array.from({ length: 30 }, (_, index) => `not ok ${index + 1} - ${index} ${long}`);
    const result = await read(`${lines.join('\n')}\n1..30\n`);
    if ('unreadable' in result) throw new Error(result.unreadable);
    expect(result.failed).toBe(30);
    expect(result.failures).toHaveLength(20);
    expect(result.failures.map((name) => name.length)).toEqual(Array(20).fill(200));
    expect(result.failures[3]).toMatch(/^3 \\u202en+…$/);
  });

  it('stops at its limits', async () => {
    const limits = { ...TAP_LIMITS, bytes: 100, lineBytes: 20, depth: 2 };
    expect(await read(`1..1\nok 1\n${'x'.repeat(50)}\n`, limits)).toHaveProperty('passed', 1);
    expect(await read(`1..1\nok 1 - ${'x'.repeat(50)}\n`, limits)).toEqual({
      unreadable: 'line 2 is too long',
    });
    expect(await read(`1..1\nok 1\n${'\n'.repeat(100)}`, limits)).toEqual({
      unreadable: 'the file is larger than 100 bytes',
    });
    const deep = [0, 1, 2, 3].map((depth) => `${' '.repeat(depth * 4)}1..1\n`).join('');
    expect(await read(deep, limits)).toEqual({ unreadable: 'subtests are nested deeper than 2' });
  });

  it('rejects when the stream itself fails', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('1..1\n');
      throw new Error('disk gone');
    }
    await expect(readTap(broken())).rejects.toThrow('disk gone');
  });

  it('gives the same result for any chunks, and survives any mutation', async () => {
    const original = await read(NODE);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 400 }),
        fc.array(fc.nat(NODE.length - 1), { maxLength: 4 }),
        async (size, edits) => {
          expect(await read(NODE, TAP_LIMITS, size)).toEqual(original);
          const text = edits.reduce((all, at) => all.slice(0, at) + all.slice(at + 13), NODE);
          const result = await read(text, TAP_LIMITS, size);
          if ('unreadable' in result) expect(result.unreadable).not.toBe('');
          else expect(result.passed + result.failed + result.skipped).toBeLessThanOrEqual(12);
        },
      ),
    );
  });
});
