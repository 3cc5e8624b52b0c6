/** Lines of a log, whatever the chunks, and the levels of their oslo.log records. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Level,
  LevelReader,
  LineSplitter,
  type LogLine,
} from '../../../../src/adapters/evidence/publish/log-lines.ts';
import { runs } from '../../../fixtures/effort.ts';

function split(chunks: readonly Buffer[]): readonly LogLine[] {
  const splitter = new LineSplitter();
  // Each chunk is overwritten after use, as readers do that reuse their buffer.
  const lines = chunks.flatMap((chunk) => {
    const copy = Buffer.from(chunk);
    const found = [...splitter.push(copy)];
    copy.fill('#');
    return found;
  });
  return [...lines, ...splitter.end()];
}

test('finds the same lines in any chunks, each with its number and offset', () => {
  const piece = fc.constantFrom('\n', '\r\n', 'a', 'é', 'x'.repeat(20_000), '');
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 12 }),
      fc.array(fc.nat(40_000), { maxLength: 5 }),
      (all, cuts) => {
        const bytes = Buffer.from(all.join(''));
        const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        const lines = split(chunks);
        expect(lines).toEqual(split([bytes]));
        const whole = bytes.toString('utf8').split('\n');
        if (whole.at(-1) === '') whole.pop();
        expect(lines.map(({ number }) => number)).toEqual(whole.map((_, index) => index + 1));
        for (const { offset, text, hidden } of lines) {
          expect(text.length).toBeLessThanOrEqual(16 * 1024);
          if (hidden === 0) expect(bytes.toString('utf8', offset)).toMatch(new RegExp(`^${text}\r?(\n|$)`));
        }
      },
    ),
    { numRuns: runs(300) },
  );
});

test('shows the beginning of a long line, and counts the rest', () => {
  const [line] = split([Buffer.alloc(10_000, 'a'), Buffer.alloc(10_000, 'b'), Buffer.from('\n')]);
  expect(line).toMatchObject({ number: 1, offset: 0, hidden: 20_000 - 16 * 1024 });
});

function levels(...lines: readonly string[]): readonly (Level | null)[] {
  const reader = new LevelReader();
  return lines.map((line) => reader.next(line));
}

const records: readonly (readonly [string, Level | null])[] = [
  ['2026-01-02 03:04:05.678 4242 ERROR nova.compute.manager [None req-1] Instance failed', 'error'],
  ['2026-01-02 03:04:05,678 4242 INFO     [tempest.lib] Request (test): 200', 'info'],
  ['2026-01-02T03:04:05.678Z WARNING keystone [-] slow', 'warning'],
  ['Jan 02 03:04:05.678901 node devstack@n-cpu.service[77]: DEBUG nova.virt [None req-1] x', 'debug'],
  ['Jan  2 03:04:05 node neutron[7]: CRITICAL neutron [-] Unhandled', 'critical'],
  ['2014-01-02 03:04:05.678 12 TRACE nova.compute   File "x.py", line 7', 'error'],
  ['2014-01-02 03:04:05.678 12 AUDIT nova.compute [-] Starting', 'info'],
  ['WARNING: Retrying', 'warning'],
  ['ERROR:root:failed', 'error'],
  ['2026-01-02 03:04:05.678 | + functions-common:restart_service', null],
  ['2026-01-02 03:04:05 4242 note one two three four ERROR in the message', null],
  ['ERRORS were found', null],
  ['no ERROR here', null],
  ['', null],
];
test.each(records)('reads the level of: %s', (line, level) => {
  expect(levels(line)).toEqual([level]);
});

test('continuation lines belong to the record before them, up to the next one with a time', () => {
  expect(
    levels(
      '2026-01-02 03:04:05.678 1 ERROR nova [-] failed',
      'Traceback (most recent call last):',
      '  File "a.py", line 7, in f',
      'ValueError: no',
      '',
      'and the rest of the message',
      '2026-01-02 03:04:06 | ordinary output',
      'more of it',
    ),
  ).toEqual(['error', 'error', 'error', 'error', 'error', 'error', null, null]);
});

test('without times only a traceback and indented lines continue a record', () => {
  expect(
    levels(
      'ERROR: failed',
      '  because of x',
      'Traceback (most recent call last):',
      '  File',
      'a.b.Gone: 7',
      'next step',
    ),
  ).toEqual(['error', 'error', 'error', 'error', 'error', null]);
});
