/** The database queries of the query commands and the engine. Each is answered from an index or a view. */
import type {
  AlarmView,
  CheckpointRecord,
  ConfigRecord,
  DaemonView,
  DayCount,
  HealthRecord,
  JobQuery,
  JobView,
  LastServed,
  NumberedRow,
  OutboxEntry,
  ReviewView,
  StackTime,
  Store,
  StoreReader,
} from '../../engine/ports/store.ts';
import type { ReportActivity } from '../../machines/model/health-snapshot.ts';
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import { asOperationError, beginSnapshot, type Database, openReadOnly } from './database.ts';
import { positionRow, SELECT_POSITION } from './intake-tables.ts';
import { filter, orderOf } from './job-query.ts';
import { assertCurrent } from './migrate.ts';
import { eventRow, jobRow, outboxRow, reviewRow, type SqlRow } from './rows.ts';
import { prepared, readPragma } from './statements.ts';
import { readFailingTests, readFlakyTests, readSlowestTests, readTestRun } from './test-queries.ts';

/** For the query commands: read-only, beside a running daemon. @throws OperationError */
export function openReader(file: string): StoreReader {
  const database = openReadOnly(file);
  try {
    assertCurrent(database);
    return new SqliteReader(database);
  } catch (thrown) {
    database.close();
    throw asOperationError('read database', file, thrown);
  }
}

/**
 * Like `openReader`, but all answers come from one snapshot while a daemon continues to write, so they can be compared.
 */
export function openSnapshot(file: string): StoreReader {
  const database = openReadOnly(file);
  try {
    assertCurrent(database);
    beginSnapshot(database);
    return new SqliteReader(database);
  } catch (thrown) {
    database.close();
    throw asOperationError('read database', file, thrown);
  }
}

const EVENTS = 'SELECT * FROM event';
const ALARMS = `SELECT kind, target, message, hint, first_at AS firstAt, last_at AS lastAt, times,
  cleared_at AS clearedAt, acknowledged_at AS acknowledgedAt, acknowledged_by AS acknowledgedBy,
  acknowledged_why AS acknowledgedWhy FROM alarm`;
/** Not `updated_at` of a review, which also changes after its end. */
const OWN_REPORT = "SELECT max(at) AS at FROM event WHERE type = 'review.posted' AND outcome = 'moved'";
const PEER_ACTIVITY = `SELECT coalesce(sum(listened_ms), 0) AS listenedMs, coalesce(sum(others), 0) AS others
  FROM peer_activity WHERE begun_at >= ?`;
/** A stage that a later daemon found running has several starts; those before the newest server are of another attempt. */
const STACK_TIMES = `SELECT j.name AS job, j.provider,
    e.at - (SELECT min(s.at) FROM event s
      WHERE s.history = e.history AND s.version < e.version AND s.type = 'stage.started' AND s.version > (
        SELECT max(b.version) FROM event b
        WHERE b.history = e.history AND b.version < e.version AND b.type = 'server.active')) AS ms,
    e.data ->> '$.facts.proxy' AS proxy, e.data ->> '$.facts.preseed' AS preseed
  FROM event e JOIN job_view j ON j.id = e.history
  WHERE e.type = 'stage.exited' AND e.at >= ? AND e.outcome = 'moved' AND e.data ->> '$.stage' = 'stacking'
    AND e.data ->> '$.end.how' = 'exited' AND e.data ->> '$.end.code' = 0
  ORDER BY e.at, e.seq`;
const LOG_PAGE_ROWS = 500;
const VIEW_PAGE_ROWS = 1_000;
/** Each view with the columns that define its order. */
export const VIEWS = [
  ['history_view', 'history'],
  ['job_view', 'id'],
  ['review_view', 'id'],
  ['trigger_view', 'trigger'],
  ['start_view', 'review'],
  ['outbox', 'history, key'],
  ['day_view', 'day, name, verdict'],
  ['last_served', 'provider, project'],
] as const;

export class SqliteReader implements StoreReader {
  protected readonly database: Database;

  constructor(database: Database) {
    this.database = database;
  }

  jobs(query: JobQuery): readonly JobView[] {
    const { where, values } = filter(query);
    const order = query.sort === undefined ? '' : `${orderOf(query.sort)}, `;
    return this.rowsOf(`SELECT * FROM job_view ${where} ORDER BY ${order}id DESC LIMIT ?`, ...values).map(
      jobRow,
    );
  }

  job(id: string): JobView | null {
    const row = this.rowOf('SELECT * FROM job_view WHERE id = ?', id);
    return row === undefined ? null : jobRow(row);
  }

  jobIds(prefix: string, limit: number): readonly string[] {
    // Ids are ASCII, so every id with the prefix sorts below the prefix followed by the highest character.
    return this.rowsOf(
      'SELECT id FROM job_view WHERE id >= ? AND id < ? ORDER BY id LIMIT ?',
      prefix,
      `${prefix}\u{10ffff}`,
      limit,
    ).map((row) => String(row.id));
  }

  review(id: string): ReviewView | null {
    const row = this.rowOf('SELECT * FROM review_view WHERE id = ?', id);
    return row === undefined ? null : reviewRow(row);
  }

  reviews(query: Parameters<StoreReader['reviews']>[0]): readonly ReviewView[] {
    const { where, values } = filter(query);
    return this.rowsOf(`SELECT * FROM review_view ${where} ORDER BY id DESC LIMIT ?`, ...values).map(
      reviewRow,
    );
  }

  rows(history: string): readonly NumberedRow[] {
    return this.rowsOf(`${EVENTS} WHERE history = ? ORDER BY version`, history).map(eventRow);
  }

  *histories(): Iterable<string> {
    // Grouped instead of filtered by version 1: a history that lost its first row must be included.
    const names = this.rowsOf('SELECT history FROM event GROUP BY history ORDER BY min(seq)');
    for (const row of names) yield String(row.history);
  }

  length(): number {
    return Number(this.rowOf('SELECT coalesce(max(seq), 0) AS seq FROM event')?.seq);
  }

  rowTimes(after: number, limit: number): ReturnType<Store['rowTimes']> {
    return this.rowsOf(
      'SELECT seq, history, at FROM event WHERE seq > ? ORDER BY seq LIMIT ?',
      ...[after, limit],
    ) as unknown as ReturnType<Store['rowTimes']>;
  }

  *log(): Iterable<NumberedRow> {
    // Read in pages: an open read statement would block writes on this connection.
    const newest = this.length();
    const page = `${EVENTS} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`;
    for (let last = 0; last < newest; ) {
      const rows = this.rowsOf(page, last, newest, LOG_PAGE_ROWS).map(eventRow);
      yield* rows;
      last = rows.at(-1)?.seq ?? newest;
    }
  }

  rowsAfter(after: number, limit: number): readonly NumberedRow[] {
    return this.rowsOf(`${EVENTS} WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit).map(eventRow);
  }

  commits(): number {
    return Number(readPragma(this.database, 'data_version'));
  }

  stored(history: string): HistorySnapshot | null {
    const row = this.rowOf('SELECT stored, hash FROM history_view WHERE history = ?', history);
    return row === undefined ? null : storedOf(row);
  }

  openHistories(prefix: string): readonly HistorySnapshot[] {
    return this.rowsOf(
      `SELECT stored, hash FROM history_view WHERE ended = 0 AND history >= ? AND history < ? ORDER BY history`,
      ...[prefix, `${prefix}\u{10ffff}`],
    ).map(storedOf);
  }

  newestHistories(prefix: string, limit: number): readonly HistorySnapshot[] {
    return this.rowsOf(
      'SELECT stored, hash FROM history_view WHERE history >= ? AND history < ? ORDER BY history DESC LIMIT ?',
      ...[prefix, `${prefix}\u{10ffff}`, limit],
    ).map(storedOf);
  }

  outbox(history?: string): readonly OutboxEntry[] {
    const rows =
      history === undefined
        ? this.rowsOf('SELECT * FROM outbox ORDER BY seq')
        : this.rowsOf('SELECT * FROM outbox WHERE history = ? ORDER BY seq', history);
    return rows.map(outboxRow);
  }

  lastServed(): readonly LastServed[] {
    return this.rowsOf(
      'SELECT provider, project, at FROM last_served ORDER BY seq',
    ) as unknown as LastServed[];
  }

  stackTimes(since: number): readonly StackTime[] {
    // Without a start the daemon was killed between the start and its row.
    return this.rowsOf(STACK_TIMES, since)
      .filter(({ ms }) => ms !== null)
      .map(({ job, provider, ms, proxy, preseed }) => {
        const caches = { proxy: proxy === 1, preseed: preseed === 1 };
        return { job: String(job), provider: String(provider), ms: Number(ms), ...caches };
      });
  }

  counts(sinceDay: string): readonly DayCount[] {
    return this.rowsOf(
      'SELECT * FROM day_view WHERE day >= ? ORDER BY day, name, verdict',
      sinceDay,
    ) as unknown as DayCount[];
  }

  starts({ since, until }: Parameters<StoreReader['starts']>[0]): ReturnType<StoreReader['starts']> {
    return this.rowsOf(
      'SELECT review, project, change, account AS "by", at FROM start_view WHERE at > ? AND at <= ?',
      ...[since, until],
    ) as unknown as ReturnType<StoreReader['starts']>;
  }

  waitingStarts(): ReturnType<StoreReader['waitingStarts']> {
    const rows = this.rowsOf('SELECT data FROM deferred_start ORDER BY since, project, change');
    return rows.map(({ data }) => JSON.parse(String(data)));
  }

  ignoredRequests(change: number, limit: number): ReturnType<StoreReader['ignoredRequests']> {
    return this.rowsOf(
      `SELECT project, change, patchset, account AS "by", at, rule, why FROM ignored_request WHERE change = ?
       ORDER BY number DESC LIMIT ?`,
      ...[change, limit],
    ) as unknown as ReturnType<StoreReader['ignoredRequests']>;
  }

  alarms(limit: number): readonly AlarmView[] {
    return this.rowsOf(
      `${ALARMS} ORDER BY cleared_at IS NOT NULL, acknowledged_at IS NOT NULL, last_at DESC LIMIT ?`,
      limit,
    ) as unknown as AlarmView[];
  }

  lastAlarm(kind: string, target: string): AlarmView | null {
    const row = this.rowOf(`${ALARMS} WHERE kind = ? AND target = ?`, kind, target);
    return row === undefined ? null : (row as unknown as AlarmView);
  }

  reportActivity(): ReportActivity {
    const at = this.rowOf(OWN_REPORT)?.at ?? null;
    const ownAt = at === null ? null : Number(at);
    const { listenedMs, others } = this.rowOf(PEER_ACTIVITY, ownAt ?? 0) ?? {};
    return { ownAt, listenedMs: Number(listenedMs), others: Number(others) };
  }

  testRun(job: string): ReturnType<StoreReader['testRun']> {
    return readTestRun(this.database, job);
  }

  failingTests(query: Parameters<StoreReader['failingTests']>[0]): ReturnType<StoreReader['failingTests']> {
    return readFailingTests(this.database, query);
  }

  flakyTests(query: Parameters<StoreReader['flakyTests']>[0]): ReturnType<StoreReader['flakyTests']> {
    return readFlakyTests(this.database, query);
  }

  slowestTests(query: Parameters<StoreReader['slowestTests']>[0]): ReturnType<StoreReader['slowestTests']> {
    return readSlowestTests(this.database, query);
  }

  startedBy(trigger: string): string | null {
    const row = this.rowOf('SELECT review FROM trigger_view WHERE trigger = ?', trigger);
    return row === undefined ? null : String(row.review);
  }

  intake(): Readonly<Record<string, number>> {
    const rows = this.rowsOf('SELECT name, times FROM event_count ORDER BY name');
    return Object.fromEntries(rows.map((row) => [String(row.name), Number(row.times)]));
  }

  intakePosition(): CheckpointRecord | null {
    return positionRow(this.rowOf(SELECT_POSITION));
  }

  daemon(): DaemonView | null {
    return this.meta('daemon') as DaemonView | null;
  }

  health(): HealthRecord | null {
    return this.meta('health') as HealthRecord | null;
  }

  config(): ConfigRecord | null {
    return this.meta('config') as ConfigRecord | null;
  }

  protected meta(key: 'daemon' | 'health' | 'config' | 'served'): unknown {
    const row = this.rowOf('SELECT value FROM meta WHERE key = ?', key);
    return row === undefined ? null : JSON.parse(String(row.value));
  }

  deployment(): string {
    const row = this.rowOf("SELECT value FROM meta WHERE key = 'deployment'");
    if (row === undefined) throw new Error('the database has no deployment id');
    return String(row.value);
  }

  schema(): readonly string[] {
    // SQLite's automatic objects have no SQL text.
    return this.rowsOf(
      'SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name',
    ).map(({ type, name, sql }) => `${String(type)} ${String(name)} ${String(sql)}`);
  }

  *views(): Iterable<string> {
    for (const [table, order] of VIEWS) {
      // Keys are non-empty strings, so every row sorts after ''.
      const page = `SELECT * FROM ${table} WHERE (${order}) > (${placeholders(order)}) ORDER BY ${order} LIMIT ?`;
      for (let last: readonly unknown[] = order.split(', ').map(() => ''); ; ) {
        const rows = this.rowsOf(page, ...last, VIEW_PAGE_ROWS);
        for (const row of rows) yield `${table} ${JSON.stringify(row)}`;
        const newest = rows.at(-1);
        if (newest === undefined || rows.length < VIEW_PAGE_ROWS) break;
        last = order.split(', ').map((column) => newest[column]);
      }
    }
  }

  close(): void {
    this.database.close();
  }

  protected rowOf(sql: string, ...values: readonly unknown[]): SqlRow | undefined {
    return prepared(this.database, sql).get(...values) as SqlRow | undefined;
  }

  protected rowsOf(sql: string, ...values: readonly unknown[]): readonly SqlRow[] {
    return prepared(this.database, sql).all(...values) as SqlRow[];
  }
}

function placeholders(columns: string): string {
  return columns.replace(/\w+/g, '?');
}

/** A history's state as its view stores it; the newest row's hash is in a separate column. */
export function storedOf(row: SqlRow): HistorySnapshot {
  return { ...JSON.parse(String(row.stored)), hash: String(row.hash) };
}
