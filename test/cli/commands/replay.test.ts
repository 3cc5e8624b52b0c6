import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ArchiveDirectory } from '../../../src/adapters/history-archive/files.ts';
import { findJobCommand } from '../../../src/cli/commands/job.ts';
import { replayCommand, replayFileCommand } from '../../../src/cli/commands/replay.ts';
import type { NumberedRow } from '../../../src/engine/ports/store.ts';
import type { JobLimits, JobSpec, Patchset } from '../../../src/machines/model/domain.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import type { HistorySnapshot } from '../../../src/machines/protocol/row.ts';
import { step } from '../../../src/machines/step.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const patchset = { project: 'p', branch: 'b', change: 1, patchset: 1, revision: 'r', ref: 'x' } as Patchset;
const spec = {
  name: 'acme',
  provider: 'local',
  stacking: null,
  testing: { argv: ['true'], timeoutMs: 1, outputLimitBytes: 1 },
  logs: [],
  results: null,
  limits: { queueTimeoutMs: 1000, bootTimeoutMs: 1000, cleanupTimeoutMs: 1000 } as JobLimits,
} as unknown as JobSpec;

/** The rows of a job with this id. */
function history(name: string): readonly NumberedRow[] {
  const events: readonly AnyEvent[] = [
    { type: 'job.accepted', job: name, review: 'r1', deployment: 'd', patchset, spec },
    { type: 'job.ready', trees: [] },
    { type: 'slot.granted' },
    { type: 'job.cancelled', reason: 'asked for' },
  ];
  let before: HistorySnapshot | null = null;
  return events.map((event, index) => {
    const settles = event.type === 'slot.granted' ? 'slot' : null;
    const happening = {
      history: name,
      machine: 'job@1',
      event,
      at: 1000 + index,
      settles,
      causationId: null,
    } as const;
    const stepped: ReturnType<typeof step> = step(before, happening, sha256);
    before = stepped.stored;
    return { ...stepped.row, seq: index + 1 };
  });
}

const good = [...history('j1'), ...history('j2')];
const altered = good.map((row) =>
  row.history === 'j2' && row.version === 3 ? { ...row, state: 'booting.\u001b[2J' } : row,
);

function replay(
  rows: readonly NumberedRow[],
  typed: string | undefined,
  options: { all?: boolean; json?: boolean },
) {
  let now = 0;
  const io = fakeIo({ now: () => (now += 4) });
  const exit = replayCommand(io, fakeReader({ rows }), typed, options);
  return { exit, text: io.stdout() };
}

describe('replay', () => {
  test('of one history, by the beginning of its id', () => {
    expect(replay(good, 'j1', {})).toEqual({ exit: 0, text: 'equal: 4 rows of 1 history in 4ms\n' });
  });

  test('of all', () => {
    expect(replay(good, undefined, { all: true })).toEqual({
      exit: 0,
      text: 'equal: 8 rows of 2 histories in 4ms\n',
    });
  });

  test('shows the first difference and exits with 1', () => {
    const { exit, text } = replay(altered, undefined, { all: true });
    expect(exit).toBe(1);
    expect(text).toMatch(
      /^different: history j2, row 3, in state\n {2}stored {4}"booting\.\\x?\\?u?001b\[2J"\n {2}computed {2}"booting\.\w+"\n6 rows of 2 histories before it were equal, in 4ms\n$/,
    );
  });

  test('as JSON', () => {
    expect(JSON.parse(replay(good, 'j2', { json: true }).text)).toEqual({
      format: 1,
      equal: true,
      histories: 1,
      rows: 4,
      ms: 4,
      difference: null,
    });
    expect(JSON.parse(replay(altered, 'j2', { json: true }).text)).toMatchObject({
      equal: false,
      rows: 2,
      difference: { history: 'j2', version: 3, field: 'state' },
    });
  });

  test.each([
    ['j', {}, /several histories begin with "j":\n {2}j1\n {2}j2/],
    ['x', {}, /no history begins with "x"/],
    [undefined, {}, /name one history, or use --all/],
    ['j1', { all: true }, /name one history, or use --all/],
  ])('of %s with %j is an error', (typed, options, message) => {
    expect(() => replay(good, typed, options)).toThrow(message);
  });
});

test('replays an archive file, or the histories of it that are named', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sos-ci-replay-'));
  const archive = new ArchiveDirectory(join(directory, 'archive'));
  const entry = { first: 1, last: 4, head: '', whole: true };
  const histories = ['j1', 'j2'].map((name) => ({ ...entry, history: name, title: `acme 1,1 ${name}` }));
  try {
    await archive.write({ number: 1, at: 0, histories }, good);
    await archive.write({ number: 2, at: 0, histories: [] }, altered);
    const file = (number: number) => join(directory, 'archive', `histories-00000${number}.jsonl.gz`);
    const all = fakeIo();
    expect(await replayFileCommand(all, file(1), undefined, {})).toBe(0);
    expect(all.stdout()).toContain('8 rows of 2 histories');
    const one = fakeIo();
    expect(await replayFileCommand(one, file(1), 'j2', {})).toBe(0);
    expect(one.stdout()).toContain('4 rows of 1 history');
    expect(await replayFileCommand(fakeIo(), file(2), undefined, {})).toBe(1);
    await expect(replayFileCommand(fakeIo(), file(1), 'j3', {})).rejects.toThrow('no history in it');

    const found = fakeIo();
    expect(await findJobCommand(found, directory, fakeReader({ rows: [] }), 'j2', {})).toBe(0);
    expect(found.stdout()).toContain(`sos-ci replay --file ${file(1)} j2`);
    await expect(findJobCommand(fakeIo(), directory, fakeReader({ rows: [] }), 'j9', {})).rejects.toThrow(
      'no job begins with',
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
