import { describe, expect, test } from 'vitest';
import { analyse, analysisOf } from '../../../src/cli/commands/analyse.ts';
import { readerSource } from '../../../src/cli/input/history-source.ts';
import type { LogRow } from '../../../src/machines/protocol/row.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { rowsOf } from '../../machines/recorded.ts';

/** The history `job-1` of each file, under another name, at another time and on another server. */
function jobsOf(...files: readonly string[]) {
  const rows = files.flatMap((file, index) =>
    rowsOf(`${file}.jsonl`)
      .filter(({ history }) => history === 'job-1')
      .map((row): LogRow => JSON.parse(JSON.stringify(row).replaceAll('sos-ci-job-1', `server-${index}`)))
      .map((row) => ({ ...row, history: `${file}-${index}`, at: row.at + index * 60_000 })),
  );
  return readerSource(fakeReader({ rows: rows.map((row, index) => ({ ...row, seq: index + 1 })) }));
}

async function diff(one: string, other: string, options: { json?: boolean } = {}) {
  const io = fakeIo();
  const all = { diff: `${other}-1`, ...options };
  expect(analysisOf(all)).toBe('diff');
  return { exit: await analyse(io, 'diff', jobsOf(one, other), `${one}-0`, all), text: io.stdout() };
}

describe('two runs', () => {
  test('that took the same path, at other times and with other ids', async () => {
    const { exit, text } = await diff('success', 'success');
    expect(exit).toBe(0);
    expect(text.split('\n')[0]).toMatch(/^success-0 and success-1: the same path, \d+ rows$/);
  });

  test('that took the same path to another verdict', async () => {
    const { exit, text } = await diff('success', 'failing-test');
    expect(exit).toBe(1);
    expect(text.split('\n').slice(0, 4)).toEqual([
      'success-0 and failing-test: the same path, 13 rows',
      'but row 7 is the first that says something else',
      '  row       success-0  testing.readingResults: testing succeeded, +10.5s',
      '  row       failing-test  testing.readingResults: testing exited with code 1, +10.5s',
    ]);
    const json = JSON.parse((await diff('success', 'failing-test', { json: true })).text);
    expect([json.parts, json.differs.one.data.end.code, json.differs.other.data.end.code]).toEqual([
      null,
      0,
      1,
    ]);
  });

  test('that part', async () => {
    const { exit, text } = await diff('success', 'boot-failed-once');
    expect(exit).toBe(1);
    await expect(text).toMatchFileSnapshot('../../golden/replay-diff.txt');
  });

  test('of which one has a server without an owner, in an altered file', async () => {
    const [first, ...rest] = rowsOf('success.jsonl').filter(({ history }) => history === 'job-1');
    const effects = [{ type: 'createServer', key: 'createServer:1' }] as unknown as LogRow['effects'];
    const rows = [{ ...first, effects } as LogRow, ...rest].map((row, index) => ({ ...row, seq: index + 1 }));
    const io = fakeIo();
    expect(await analyse(io, 'diff', readerSource(fakeReader({ rows })), 'job-1', { diff: 'job-1' })).toBe(0);
  });

  test('of which one ends where the other continues', async () => {
    const io = fakeIo();
    const source = jobsOf('success', 'success');
    const options = { diff: 'success-1', until: 'testing' };
    expect(await analyse(io, 'diff', source, 'success-0', options)).toBe(1);
    expect(io.stdout()).toMatch(/success-0 {2}has only \d+ rows\n/);
  });

  test('as JSON', async () => {
    const { text } = await diff('success', 'boot-failed-once', { json: true });
    const { one, other, common, parts, stages } = JSON.parse(text);
    expect([one.history, other.history, one.machine]).toEqual(['success-0', 'boot-failed-once-1', 'job@1']);
    expect(parts.one).toMatchObject({ version: common + 1, type: 'server.active' });
    expect(parts.other).toMatchObject({ version: common + 1, type: 'server.create-failed' });
    expect(stages).toContainEqual({
      state: 'booting',
      attempt: 2,
      oneMs: null,
      otherMs: expect.any(Number),
    });
  });
});

test('histories of two machines are an error', async () => {
  const rows = rowsOf('success.jsonl').map((row, index) => ({ ...row, seq: index + 1 }));
  const source = readerSource(fakeReader({ rows }));
  await expect(analyse(fakeIo(), 'diff', source, 'job-1', { diff: 'review-1' })).rejects.toThrow(
    'job-1 is on job@1, review-1 on review@1',
  );
});
