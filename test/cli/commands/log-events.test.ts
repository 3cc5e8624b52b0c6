import { describe, expect, test } from 'vitest';
import { eventsCommand } from '../../../src/cli/commands/log-events.ts';
import type { Watch } from '../../../src/cli/input/watch.ts';
import type { StoreReader } from '../../../src/engine/ports/store.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { SAMPLE } from '../sample.ts';
import { FAILED } from '../sample-story.ts';
import { expectToFit } from '../widths.ts';

const rows = SAMPLE.rows.map((row, index) => ({ ...row, seq: index + 1 }));

/** A watch in which each step happens between two polls; it ends after the last one. */
function watchOf(...steps: readonly (() => void)[]): Watch {
  const ending = new AbortController();
  const left = [...steps];
  return {
    signal: ending.signal,
    sleep: async () => {
      left.shift()?.();
      if (left.length === 0) ending.abort();
    },
  };
}

/** A log of which the first rows are appended. */
function growing(begin: number): { reader: StoreReader; append(count: number): void; queries(): number } {
  let [length, commits, queries] = [begin, 1, 0];
  const reader = {
    ...fakeReader({ ...SAMPLE, rows }),
    length: () => length,
    commits: () => commits,
    rowsAfter: (after: number, limit: number) => {
      queries += 1;
      return rows.filter(({ seq }) => seq > after && seq <= length).slice(0, limit);
    },
  };
  const append = (count: number) => {
    length += count;
    commits += 1;
  };
  return { reader, append, queries: () => queries };
}

describe('events', () => {
  test('lists the newest rows, oldest first, with control characters escaped', async () => {
    await expectToFit('events', {}, (io) =>
      eventsCommand(io, fakeReader({ ...SAMPLE, rows }), { limit: 12 }, watchOf()),
    );
  });

  test('as JSON has a stable shape, also line by line', async () => {
    const [io, lines] = [fakeIo(), fakeIo({ jsonl: true })];
    const options = { limit: 3, json: true, history: FAILED.slice(0, 6) };
    for (const each of [io, lines])
      await eventsCommand(each, fakeReader({ ...SAMPLE, rows }), options, watchOf());
    const { events } = JSON.parse(io.stdout());
    expect(events.length).toBe(3);
    expect(Object.keys(events[0])).toEqual([
      'seq',
      'history',
      'version',
      'type',
      'at',
      'state',
      'outcome',
      'settles',
      'data',
      'text',
    ]);
    expect(
      lines
        .stdout()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(events);
  });

  test('--follow prints what is appended, each row once, and queries only after a commit', async () => {
    const io = fakeIo();
    const log = growing(3);
    const nothing = () => undefined;
    const watch = watchOf(
      nothing,
      () => log.append(2),
      nothing,
      nothing,
      () => log.append(1),
      nothing,
    );
    expect(await eventsCommand(io, log.reader, { limit: 2, follow: true, json: true }, watch)).toBe(0);
    const printed = io
      .stdout()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).seq);
    expect(printed).toEqual([2, 3, 4, 5, 6]);
    // One for the newest rows, and two for each of: the first poll (which finds nothing), and two commits.
    expect(log.queries()).toBe(1 + 1 + 2 + 2);
  });

  test('--follow prints plain lines', async () => {
    const io = fakeIo();
    const log = growing(1);
    await eventsCommand(
      io,
      log.reader,
      { limit: 1, follow: true },
      watchOf(
        () => log.append(1),
        () => undefined,
      ),
    );
    expect(io.stdout()).toMatch(/^11-22 17:00:00 {2}01kfa7xw2m6v {2}queued {2}.+\n11-22 /);
  });
});
