/** A bundle opens on any machine, is refused after any change, and contains no secret. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openReader } from '../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../src/adapters/sqlite/store.ts';
import { sha256 } from '../../src/app/database-admin.ts';
import { type Exported, type ExportRequest, exportBundle } from '../../src/app/export-bundle.ts';
import { analyse } from '../../src/cli/commands/analyse.ts';
import { replayFileCommand } from '../../src/cli/commands/replay.ts';
import { withSource } from '../../src/cli/input/history-source.ts';
import { toLogEntry } from '../../src/engine/loop/projections.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import type { HistorySnapshot, LogRow } from '../../src/machines/protocol/row.ts';
import { step } from '../../src/machines/step.ts';
import { fakeIo } from '../fakes/io.ts';
import { rowsOf } from '../machines/recorded.ts';

const JOB = 'job-1';
/** Configured. */
const CANARY = 'canary-S3cr3t/named+1';
/** Nobody named it; the log shows it with its key. */
const FOUND = 'canary-found-in-a-log-2';
const directory = mkdtempSync(join(tmpdir(), 'sos-ci-export-'));
const stateDir = join(directory, 'state');
const published = join(directory, 'logs');
const configFile = join(directory, 'sos-ci.yaml');
const file = join(directory, 'bundle.jsonl.gz');
const config: ExportRequest['config'] = {
  redact: [CANARY],
  logs: { destination: { type: 'directory', dir: published } },
};
let exported: Exported;

/** The recorded rows, with a secret where people and programs write texts. */
async function fillStore(): Promise<void> {
  mkdirSync(stateDir, { recursive: true });
  const store = openStore(join(stateDir, 'sos-ci.db'));
  const stored = new Map<string, HistorySnapshot>();
  for (const row of rowsOf('failing-test.jsonl').filter(({ history }) => /^(job|review)-1$/.test(history))) {
    const before = stored.get(row.history) ?? null;
    const stepped = step(before, { ...row, event: withSecret(row) }, sha256);
    await store.append([toLogEntry(before, stepped)]);
    stored.set(row.history, stepped.stored);
  }
  store.close();
}

function withSecret({ type, data }: LogRow): AnyEvent {
  const text = JSON.stringify({ ...data, type }).replaceAll('"Make it faster"', `"Log in with ${CANARY}"`);
  const event = JSON.parse(text);
  return type === 'stage.exited' && event.end.code !== 0
    ? { ...event, lastLine: `curl -u ci:${CANARY}` }
    : event;
}

beforeAll(async () => {
  await fillStore();
  const run = join(stateDir, 'runs', JOB, '1', 'testing');
  mkdirSync(run, { recursive: true });
  const escaped = JSON.stringify(CANARY).slice(1, -1);
  const encoded = Buffer.from(CANARY).toString('base64');
  const filler = 'a line of a long log\n'.repeat(20_000);
  writeFileSync(
    join(run, 'log'),
    `${filler}${CANARY} ${escaped} ${encoded} ${encodeURIComponent(CANARY)}\nadmin_password = ${FOUND}\n${FOUND} again\nthe end\n`,
  );
  const stacking = join(published, '45', '912345', '3', 'check', 'acme-dsvm', JOB, 'attempt-1');
  mkdirSync(stacking, { recursive: true });
  writeFileSync(join(stacking, 'stacking.log'), `stacked with ${CANARY}\n`);
  writeFileSync(configFile, `# was ${CANARY}\n# password: ${FOUND}\ngerrit: {host: review.example.org}\n`);
  const reader = openReader(join(stateDir, 'sos-ci.db'));
  try {
    exported = await exportBundle(reader, { history: JOB, file, configFile, config, stateDir, now: 1 });
  } finally {
    reader.close();
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

const lines = (): readonly string[] => gunzipSync(readFileSync(file)).toString('utf8').trimEnd().split('\n');

describe('a bundle', () => {
  test('has the job, its review, the configuration and the ends of its logs', () => {
    expect(exported).toMatchObject({
      histories: [JOB, 'review-1'],
      logs: [
        { job: JOB, attempt: 1, stage: 'stacking' },
        { job: JOB, attempt: 1, stage: 'testing' },
      ],
      redacted: [JOB, 'review-1'],
    });
    const [head, ...rest] = lines().map((line) => JSON.parse(line));
    expect(head).toMatchObject({
      format: 'sos-ci bundle 1',
      histories: [{ history: JOB, machine: 'job@1' }, {}],
    });
    expect(rest.find((line) => 'configuration' in line).configuration).toContain('host: review.example.org');
    const [stacking, testing] = rest.flatMap(({ log }) => log ?? []);
    expect(stacking).toMatchObject({ text: 'stacked with [redacted]\n', isWhole: true });
    expect(testing.text).toMatch(/the end\n$/);
    expect(testing.isWhole).toBe(false);
    expect(testing.text.length).toBeLessThanOrEqual(128 * 1024);
  });

  test('contains no secret in any form', () => {
    const text = lines().join('\n');
    const forms = [CANARY, FOUND].flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      Buffer.from(secret).toString('hex'),
    ]);
    for (const form of forms) expect(text.includes(form)).toBe(false);
    expect(text.match(/\[redacted\]/g)?.length).toBeGreaterThan(5);
  });

  test('is replayed strictly, and analysed, without a database', async () => {
    const io = fakeIo();
    expect(await replayFileCommand(io, file, undefined, {})).toBe(0);
    expect(io.stdout()).toMatch(/^equal: \d+ rows of 2 histories/);
    const picture = fakeIo();
    const options = { file, format: 'dot' } as const;
    await withSource(options, (source) => analyse(picture, 'picture', source, JOB, options));
    expect(picture.stdout()).toContain('digraph "job@1 job-1"');
    await expect(withSource(options, (source) => source.rows(undefined))).rejects.toThrow(
      'the file has 2 histories',
    );
  });
});

describe('an altered bundle is refused', () => {
  /** Writes other lines; with their checksum, as someone who knows the format would. */
  function alter(change: (all: string[]) => string[], isSigned: boolean): string {
    const changed = change([...lines()]);
    const body = isSigned ? changed.slice(0, -1) : changed;
    const text = body.map((line) => `${line}\n`).join('');
    const end = isSigned
      ? `${JSON.stringify({ sha256: createHash('sha256').update(text).digest('hex') })}\n`
      : '';
    const altered = join(directory, 'altered.jsonl.gz');
    writeFileSync(altered, gzipSync(text + end));
    return altered;
  }
  const edit = (from: string, to: string) => (all: string[]) =>
    all.map((line, index) => (index === 3 ? line.replace(from, to) : line));
  const replay = (altered: string) => replayFileCommand(fakeIo(), altered, undefined, {});

  test.each<[string, (all: string[]) => string[], RegExp]>([
    ['a row', edit('"version":3', '"version":4'), /its checksum is wrong/],
    ['a log', (all) => all.map((line) => line.replace('the end', 'an end')), /its checksum is wrong/],
    ['a removed end', (all) => all.slice(0, -1), /its end is missing/],
    ['an added line', (all) => [...all, all[1] ?? ''], /something follows its end/],
  ])('by %s', async (_, change, message) => {
    await expect(replay(alter(change, false))).rejects.toThrow(message);
  });

  test('by removed rows, also with a new checksum', async () => {
    const change = (all: string[]) => all.filter((_, index) => index !== 3);
    await expect(replay(alter(change, true))).rejects.toThrow('not those that its first line lists');
  });

  test.each(['null', '5', '[[]]'])('by a first line that lists %s, with a new checksum', async (entry) => {
    const change = (all: string[]) => [
      (all[0] ?? '').replace('"histories":[', `"histories":[${entry},`),
      ...all.slice(1),
    ];
    await expect(replay(alter(change, true))).rejects.toThrow('not those that its first line lists');
  });

  test('by an edited row with a new checksum: the replay differs', async () => {
    const change = (all: string[]) => all.map((line) => line.replace('"code":1', '"code":2'));
    expect(await replay(alter((all) => all, true))).toBe(0);
    expect(await replay(alter(change, true))).toBe(1);
  });
});

test('a secret that would remain is an error, and nothing is written', async () => {
  const reader = openReader(join(stateDir, 'sos-ci.db'));
  const refused = join(directory, 'refused.jsonl.gz');
  const request = { history: JOB, file: refused, configFile, stateDir, now: 1 };
  try {
    await expect(
      exportBundle(reader, { ...request, config: { ...config, redact: ['review-1'] } }),
    ).rejects.toThrow(/secret/);
  } finally {
    reader.close();
  }
  expect(() => readFileSync(refused)).toThrow('ENOENT');
});
