/** `replay --at` and `--until` on recorded histories of several machines, in an archive file: as text and as JSON. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ArchiveDirectory } from '../../../src/adapters/history-archive/files.ts';
import { type MomentOptions, replayMomentCommand } from '../../../src/cli/commands/replay-moment.ts';
import type { NumberedRow } from '../../../src/engine/ports/store.ts';
import { fakeIo } from '../../fakes/io.ts';
import { rowsOf } from '../../machines/recorded.ts';

const directory = mkdtempSync(join(tmpdir(), 'sos-ci-moment-'));
const file = join(directory, 'histories-000001.jsonl.gz');
const forged = join(directory, 'histories-000002.jsonl.gz');
const rows: readonly NumberedRow[] = rowsOf('setup-retried-then-retry-limit.jsonl').map((row, index) => ({
  ...row,
  seq: index + 1,
}));
const job = rows.filter(({ history }) => history === 'job-1');

beforeAll(async () => {
  const archive = new ArchiveDirectory(directory);
  await archive.write({ number: 1, at: 0, histories: [] }, rows);
  const hostile = rows.map((row) =>
    row.history === 'job-1' && row.version === 3 ? { ...row, state: 'booting.\u001b[2J\u202e' } : row,
  );
  await archive.write({ number: 2, at: 0, histories: [] }, hostile);
});

afterAll(() => rmSync(directory, { recursive: true }));

async function show(typed: string, options: MomentOptions) {
  const io = fakeIo({ now: () => Date.parse('2027-01-01T00:00:00Z'), width: 100 });
  const exit = await replayMomentCommand(io, typed, { file, ...options });
  return { exit, text: io.stdout() };
}

const golden = (name: string) => `../../golden/${name}`;

describe('as text', () => {
  test('a job at the start of its second attempt', async () => {
    const second = job.find(({ effects }) =>
      effects.some(
        ({ type, ...effect }) => type === 'createServer' && 'key' in effect && effect.key.endsWith('2'),
      ),
    );
    const { exit, text } = await show('job-1', { at: String(second?.seq) });
    expect(exit).toBe(0);
    await expect(text).toMatchFileSnapshot(golden('replay-at.txt'));
  });

  test('between two rows, at a time', async () => {
    const { text } = await show('job-1', { at: new Date((job[3]?.at ?? 0) + 500).toISOString() });
    expect(text).toContain('seen at');
    expect(text).toContain('500ms later');
    expect(text).toContain(`row       4 of ${job.length}; ${job[3]?.seq} of the whole log`);
  });

  test('a review, when it first came to a state', async () => {
    const { text } = await show('review-1', { until: 'posting' });
    const first = rows.find(({ history, state }) => history === 'review-1' && state.startsWith('posting'));
    expect(text).toContain(`review-1  ${first?.state}  (`);
    expect(text).toContain(`; ${first?.seq} of the whole log`);
  });

  test('after the last row, it is the last row', async () => {
    expect((await show('job-1', { at: '999999' })).text).toContain(
      `row       ${job.length} of ${job.length};`,
    );
    expect((await show('job-1', { at: '+300d' })).text).toContain(
      `row       ${job.length} of ${job.length};`,
    );
  });
});

test('as JSON', async () => {
  const { text } = await show('job-1', { until: 'booting', json: true });
  await expect(text).toMatchFileSnapshot(golden('replay-until.json'));
});

test('a difference before the moment is shown, escaped, and gives 1; one after it does not matter', async () => {
  const { exit, text } = await show('job-1', { file: forged, at: '+300d' });
  expect(exit).toBe(1);
  expect(text).toMatch(/^different: history job-1, row 3, in state\n/);
  for (const control of ['\u001b', '\u202e']) expect(text).not.toContain(control);
  expect(await show('job-1', { file: forged, at: '+0s' })).toMatchObject({ exit: 0 });
});

describe('what is not there', () => {
  test.each([
    [
      'job-1',
      { until: 'reporting.nowhere' },
      2,
      /has no state "reporting.nowhere"/,
      /its states are queued, booting/,
    ],
    ['job-1', { until: 'testing' }, 1, /was never in the state testing/, /history/],
    ['job-1', { at: '0' }, 1, /begins at/, /history/],
    ['job-1', { at: '2020-01-01' }, 1, /begins at/, /history/],
    ['job-1', { at: 'yesterday\u001b[2J' }, 2, /"yesterday\\u001b\[2J" is no row and no past time/, /4711/],
    ['job-1', { at: '1', until: 'booting' }, 2, /use one of/, /--at/],
    ['job-1', { at: '1', all: true }, 2, /use one of/, /--at/],
    ['j2', { at: '1' }, 2, /no history in it begins with/, /--file/],
    ['', { at: '1' }, 2, /several histories in it/, /--file/],
  ])('%s %j', async (typed, options, exitCode, message, hint) => {
    await expect(show(typed, options)).rejects.toMatchObject({
      exitCode,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});
