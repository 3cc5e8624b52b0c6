import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { VERDICT_EXIT } from '../../../src/cli/output/exit-codes.ts';
import { paint, paintError, printJson, terminalIo } from '../../../src/cli/output/terminal.ts';
import { fakeIo } from '../../fakes/io.ts';
import { ROOT } from '../../house/source.ts';

describe('JSON', () => {
  test('cannot control a terminal, and parses to the same value', () => {
    const io = fakeIo();
    const value = { subject: '\u001b[2J\u009b31m\u202e\u200f\u061c\u007f\n北' };
    printJson(io, value);
    expect(io.stdout().replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(JSON.parse(io.stdout())).toEqual({ format: 1, ...value });
  });

  test.each(['status.json', 'jobs.json', 'job.json'])(
    'of %s has only keys that docs/cli.md names',
    (file) => {
      const docs = readFileSync(join(ROOT, 'docs', 'cli.md'), 'utf8');
      const golden: unknown = JSON.parse(readFileSync(join(ROOT, 'test', 'golden', file), 'utf8'));
      const unnamed = [...keysOf(golden)].filter((key) => !new RegExp(`\\b${key}\\b`).test(docs));
      expect(unnamed).toEqual([]);
    },
  );
});

test('docs/cli.md names the exit code of each verdict', () => {
  const docs = readFileSync(join(ROOT, 'docs', 'cli.md'), 'utf8');
  const special = Object.entries(VERDICT_EXIT).filter(([, code]) => code >= 10);
  const [first = 0, last = 0] = [special[0]?.[1], special.at(-1)?.[1]];
  expect(docs).toContain(
    `| ${first} to ${last} | \`run\`, \`wait\`: ${special.map(([verdict]) => verdict).join(', ')} |`,
  );
});

test('colour is used only when allowed', () => {
  expect(paint({ color: true }, 'red', 'x')).toBe('\u001b[31mx\u001b[0m');
  expect(paint({ color: false }, 'red', 'x')).toBe('x');
  expect(paint({ color: true }, 'red', '')).toBe('');
  expect(paintError({ color: true, progress: true }, 'red', 'x')).toBe('\u001b[31mx\u001b[0m');
  expect(paintError({ color: true, progress: false }, 'red', 'x')).toBe('x');
});

describe('a process', () => {
  const io = terminalIo({ jsonl: false, header: true });
  test('that runs is recognized by its pid and its start time', () => {
    expect(io.alive(process.pid, 0)).toBe(true);
    expect(io.alive(process.pid, 1)).toBe(false);
  });
  test('that does not run is recognized', () => {
    expect(io.alive(2 ** 22 + 1, 0)).toBe(false);
  });
});

/** Every key, except those below `data`, `intake` and `byState`, which are data. */
function* keysOf(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value)) yield key;
    if (!['data', 'intake', 'byState'].includes(key)) yield* keysOf(inner);
  }
}
