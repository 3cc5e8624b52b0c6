/** The audit accepts exactly the rows that left for an archive as absent, and finds any other absence. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openSnapshot } from '../../../src/adapters/sqlite/reader.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { verifyLog } from '../../../src/engine/operations/verify-log.ts';
import type { NumberedRow } from '../../../src/engine/ports/store.ts';
import { ARCHIVE, archiveStatus } from '../../../src/machines/system/archive.ts';
import { VOTING } from '../../../src/machines/system/voting.ts';
import { LONG } from '../../fixtures/effort.ts';
import { sha256 } from '../../machines/simulator.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { comment, created, FIRST } from '../../scenarios/gerrit-events.ts';

const DAY = 86_400_000;
const [GONE, PRESENT] = ['j00002', 'j00006'];
let firstRow: NumberedRow | undefined;
let original: string;
let directory: string;
let file: string;

/** The jobs of two changes and the first rows of `voting` left; a recheck is recent. */
beforeAll(async () => {
  original = mkdtempSync(join(tmpdir(), 'sos-ci-audit-'));
  const store = openStore(join(original, 'sos-ci.db'));
  const ci = new CiHarness({ store, keepHistoriesMs: 60 * DAY });
  const later = async (days: number) => {
    ci.daemon.life.end();
    await ci.clock.advance(days * DAY);
    await ci.restart();
    await ci.clock.advance(60_000);
    for (let times = 0; times < 9; times += 1) await ci.untilIdle();
  };
  await ci.start();
  ci.emit(created(FIRST));
  await ci.run();
  firstRow = store.rows(GONE)[0];
  const resumed = { type: 'voting.resumed', by: 'alice', why: '' } as const;
  for (let times = 0; times < 110; times += 1) await ci.daemon.engine.send(VOTING, resumed);
  await later(61);
  ci.emit(created(FIRST + 1));
  await ci.run();
  await ci.daemon.engine.send(VOTING, resumed);
  await later(30);
  ci.emit(comment('recheck', 'alice', FIRST + 1));
  await ci.run();
  await later(31);
  ci.store.close();
}, LONG.timeout);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-audit-'));
  file = join(directory, 'sos-ci.db');
  copyFileSync(join(original, 'sos-ci.db'), file);
});
afterEach(() => rmSync(directory, { recursive: true }));
afterAll(() => rmSync(original, { recursive: true }));

function alter(sql: string): void {
  const database = new Sqlite(file);
  database.exec(`DROP TRIGGER event_rows_stay; DROP TRIGGER event_rows_never_change; DROP TRIGGER event_rows_leave;
    DROP TRIGGER leaving_rows_are_accounted_for; ${sql}`);
  database.close();
}

function audit(checksums?: ReadonlyMap<number, string>) {
  const [reader, scratch] = [openSnapshot(file), openStore(':memory:')];
  try {
    return verifyLog(reader, scratch, sha256, checksums);
  } finally {
    scratch.close();
    reader.close();
  }
}

function filesOf() {
  const reader = openSnapshot(file);
  const { files = [] } = archiveStatus(reader.stored(ARCHIVE)) ?? {};
  reader.close();
  return files;
}

test('rows that an archive row accounts for may be absent, with and without the archive files', () => {
  const checksums = new Map(filesOf().map(({ number, sha256: sum }) => [number, sum]));
  expect(checksums.size).toBeGreaterThan(1);
  for (const known of [undefined, checksums])
    expect(audit(known)).toMatchObject({ differences: [], schema: [], views: [] });
});

test('a file with another checksum is found, a missing one is not', () => {
  const [one] = filesOf();
  expect(audit(new Map([[one?.number ?? 0, 'other']])).differences).toMatchObject([
    { history: `archive file ${one?.number}`, field: 'sha256', stored: 'other', computed: one?.sha256 },
  ]);
});

const VIEWS_OF_JOB = `DELETE FROM history_view WHERE history = '${PRESENT}'; DELETE FROM job_view WHERE id = '${PRESENT}';
  DELETE FROM day_view;`;

test.each([
  [
    'a whole history is gone without a row',
    `DELETE FROM event WHERE history = '${PRESENT}'; ${VIEWS_OF_JOB}`,
    'seq',
  ],
  [
    'a row in the middle is gone',
    `DELETE FROM event WHERE history = '${PRESENT}' AND version = 3`,
    'version',
  ],
  [
    'the last rows are gone',
    `DELETE FROM event WHERE history = '${PRESENT}' AND version >
      (SELECT max(version) - 2 FROM event WHERE history = '${PRESENT}')`,
    'seq',
  ],
  ['the whole history of the archive is gone', `DELETE FROM event WHERE history = 'archive'`, 'start|seq'],
  [
    'the newest row of the archive is gone',
    `DELETE FROM event WHERE history = 'archive' AND version = (SELECT max(version) FROM event WHERE history = 'archive')`,
    'start|seq',
  ],
  [
    'the row lists other rows',
    `UPDATE event SET data = json_set(data, '$.seqs[0][1]', 1) WHERE history = 'archive' AND version = 1`,
    'hash|stateHash|event',
  ],
  [
    'the row names another head',
    `UPDATE event SET data = json_set(data, '$.histories[0].head', 'x') WHERE history = 'archive' AND version = 1`,
    'hash|stateHash',
  ],
  ['a continued history is gone', `DELETE FROM event WHERE history = '${VOTING}'`, 'start'],
  [
    'the row that continues a history is gone',
    `DELETE FROM event WHERE history = '${VOTING}' AND type = 'history.continued'`,
    'event|version',
  ],
  [
    'the row that continues a history has another state',
    `UPDATE event SET data = json_set(data, '$.from.context.stops', 9) WHERE history = '${VOTING}' AND type = 'history.continued'`,
    'hash|stateHash',
  ],
])('%s', (_, sql, fields) => {
  alter(sql);
  const { differences } = audit();
  expect(differences.length).toBeGreaterThan(0);
  for (const { field } of differences) expect(fields.split('|')).toContain(field);
});

test('a history that left is there in part', () => {
  if (firstRow === undefined) throw new Error('no first row');
  const { seq, history, version, type, eventVersion, at, data, outcome, machine, state, ...rest } = firstRow;
  const database = new Sqlite(file);
  database
    .prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?)')
    .run(
      ...[seq, history, version, type, eventVersion, at, JSON.stringify(data), rest.causationId, outcome],
      ...[machine, state, rest.stateHash, JSON.stringify(rest.effects), rest.hash],
    );
  database.close();
  expect(audit().differences).toMatchObject([{ history: GONE, version: 1, field: 'seq' }]);
});

test('rows leave only with the row that accounts for them', () => {
  const database = new Sqlite(file);
  const leave = `INSERT INTO leaving VALUES ('${PRESENT}', 1, 99, 'x', 1)`;
  const archived = (history: string, last: number, head: string, whole: boolean) => {
    const histories = JSON.stringify([{ history, first: 1, last, head, whole }]);
    return `INSERT INTO event SELECT NULL, 'archive', version + 1, 'histories.archived', 1, at,
      '{"histories":${histories}}', NULL, NULL, outcome, machine, state, state_hash, effects, 'h' FROM event
      WHERE history = 'archive' ORDER BY version DESC LIMIT 1`;
  };
  const { last, head } = database
    .prepare(
      `SELECT version AS last, hash AS head FROM event WHERE history = ? ORDER BY version DESC LIMIT 1`,
    )
    .get(PRESENT) as { last: number; head: string };
  const count = () => database.prepare('SELECT count(*) AS rows FROM event').get();
  const before = count();
  for (const sql of [
    `${leave}; DELETE FROM event WHERE history = '${PRESENT}'`,
    `DELETE FROM event WHERE history = '${PRESENT}'`,
    archived(PRESENT, last - 1, head, true),
    archived(PRESENT, last, 'another', true),
    archived(PRESENT, last - 1, head, false),
    archived('nobody', 1, head, true),
  ])
    expect(() => database.exec(sql), sql).toThrow(/leave|deleted/);
  expect(count()).toEqual(before);
  database.exec(archived(PRESENT, last, head, true));
  expect(count()).toEqual({ rows: Number((before as { rows: number }).rows) - last + 1 });
  database.close();
});
