/** Gerrit's events in files, on a real disk: complete, in order, bounded, and never blocking the stream. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { segmentFiles, segmentName } from '../../../src/adapters/event-archive/files.ts';
import { EventSegments, type SegmentOptions } from '../../../src/adapters/event-archive/segments.ts';
import { FakeClock } from '../../fakes/clock.ts';

const DAY = 86_400_000;
/** A timeout that also passes on a slow disk. */
const SLOW_DISK = { timeout: 50_000 };
let dir: string;
let clock: FakeClock;
let lost: number;
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'sos-ci-events-')), 'events');
  clock = new FakeClock();
  lost = 0;
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

function segments(options: Partial<SegmentOptions> = {}): EventSegments {
  const bounds = {
    dir,
    segmentBytes: 1_000,
    segmentAgeMs: DAY,
    maxAgeMs: 30 * DAY,
    maxBytes: 100_000,
    bufferBytes: 10_000,
    retryMs: 10_000,
  };
  return new EventSegments({ ...bounds, ...options }, clock, (lines) => {
    lost += lines;
  });
}

const line = (text: string) => Buffer.from(text);
const files = () => readdirSync(dir).sort();
const text = () => files().map((name) => readFileSync(join(dir, name), 'utf8'));

/** Waits until each line is written before the next one is added. */
async function keepOneByOne(kept: EventSegments, lines: readonly string[]): Promise<void> {
  for (const [index, one] of lines.entries()) {
    kept.keep(line(one));
    const length = lines.slice(0, index + 1).join('\n').length + 1;
    await expect.poll(() => text().join('').length, SLOW_DISK).toBe(length);
    await clock.advance(1);
  }
}

describe('lines', () => {
  test('are written in order and complete, those of one tick in one write', async () => {
    const kept = segments();
    for (let number = 0; number < 50; number += 1) kept.keep(line(`{"n":${number}}`));
    await kept.close();
    expect(text()).toEqual([Array.from({ length: 50 }, (_, number) => `{"n":${number}}\n`).join('')]);
    expect([lost, kept.problem()]).toEqual([0, null]);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, files()[0] ?? '')).mode & 0o777).toBe(0o600);
  });

  test('after close are not kept, and a close without lines creates no file', async () => {
    const kept = segments();
    await kept.close();
    kept.keep(line('late'));
    await kept.close();
    expect(await segmentFiles(dir)).toEqual([]);
  });

  test('go into a new file when one is full', async () => {
    const kept = segments({ segmentBytes: 25 });
    await keepOneByOne(kept, ['a'.repeat(11), 'b'.repeat(11), 'c'.repeat(11)]);
    await kept.close();
    expect(text()).toEqual([`${'a'.repeat(11)}\n${'b'.repeat(11)}\n`, `${'c'.repeat(11)}\n`]);
  });

  test('go into a new file when one is old, and when a daemon starts', async () => {
    const first = segments();
    await keepOneByOne(first, ['one']);
    clock.jump(DAY + 1);
    await keepOneByOne(first, []);
    first.keep(line('two'));
    await first.close();
    clock.jump(1);
    const second = segments();
    second.keep(line('three'));
    await second.close();
    expect(text()).toEqual(['one\n', 'two\n', 'three\n']);
  });

  test('are not appended to a line that was torn in the same tick', async () => {
    mkdirSync(dir);
    writeFileSync(join(dir, segmentName(clock.now())), '{"torn":');
    const kept = segments();
    kept.keep(line('whole'));
    await kept.close();
    expect(text()).toEqual(['{"torn":\nwhole\n']);
  });
});

describe('old files', () => {
  test('are removed by age and by total size, and other files are left alone', async () => {
    mkdirSync(dir);
    const old = (days: number, bytes: number) => {
      const at = clock.now() - days * DAY;
      const name = segmentName(at);
      writeFileSync(join(dir, name), 'x'.repeat(bytes));
      utimesSync(join(dir, name), at / 1_000, at / 1_000);
      return name;
    };
    const [newest, middle] = [old(1, 400), old(2, 400)];
    old(3, 400);
    old(31, 1);
    writeFileSync(join(dir, 'events-mine.jsonl'), 'not ours');
    const kept = segments({ segmentBytes: 100, maxBytes: 1_000 });
    kept.keep(line('new'));
    await kept.close();
    expect(files()).toEqual([middle, newest, segmentName(clock.now()), 'events-mine.jsonl'].sort());
  });
});

describe('a disk that accepts no writes', () => {
  test('loses only those lines; writing is retried, and later lines are kept', async () => {
    // A file in place of the directory fails like a full disk.
    mkdirSync(join(dir, '..'), { recursive: true });
    writeFileSync(dir, '');
    const kept = segments();
    kept.keep(line('one'));
    kept.keep(line('two'));
    await expect.poll(() => lost, SLOW_DISK).toBe(2);
    expect(kept.problem()).toMatch(/EEXIST|ENOTDIR/);
    rmSync(dir);
    kept.keep(line('three'));
    expect(await segmentFiles(dir)).toEqual([]);
    await clock.advance(10_000);
    await expect.poll(() => readdirSync(join(dir, '..')), SLOW_DISK).toEqual(['events']);
    kept.keep(line('four'));
    await kept.close();
    expect([text(), lost]).toEqual([['three\nfour\n'], 2]);
    expect(kept.problem()).toBeNull();
  });

  test('reports the error, and counts the lines beyond the buffer limit', async () => {
    const kept = segments({ bufferBytes: 20 });
    writeFileSync(dir, '');
    for (let number = 0; number < 10; number += 1) kept.keep(line('12345'));
    // Lines beyond the buffer limit are lost at once.
    expect(lost).toBe(7);
    await expect.poll(() => lost, SLOW_DISK).toBe(10);
    await kept.close();
    expect(kept.problem()).toMatch(/10 lost since the start/);
  });

  test('that is only slow is reported once, with the number of lost lines', async () => {
    const kept = segments({ bufferBytes: 12 });
    for (let number = 0; number < 5; number += 1) kept.keep(line('12345'));
    expect([lost, kept.problem(), kept.problem()]).toEqual([3, 'the disk is too slow: 3 lost', null]);
    await kept.close();
    expect(text()).toEqual(['12345\n12345\n']);
  });
});
