/**
 * The store on SQLite: the event log and its views in one file, written by one daemon. A batch is one transaction and
 * one fsync. The port (engine/ports/store.ts) defines the durability guarantees.
 */
import { hash, randomBytes } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import {
  type CheckpointRecord,
  type ConfigRecord,
  type DaemonView,
  type HealthRecord,
  type IntakeUpdate,
  type LogEntry,
  type ServedNote,
  type Store,
  StoreUnavailable,
  type UnmailedAlarm,
  VersionConflict,
} from '../../engine/ports/store.ts';
import type { Alarm } from '../../machines/model/alarm.ts';
import type { HistorySnapshot, LogRow } from '../../machines/protocol/row.ts';
import type { SeenEvent } from '../../machines/trigger/deduplication.ts';
import { after } from '../../timer.ts';
import { AlarmTable } from './alarm-table.ts';
import { ArchivedViews } from './archived-views.ts';
import { asOperationError, type Database, growWal, openWritable, translate } from './database.ts';
import { IntakeTables } from './intake-tables.ts';
import { migrate } from './migrate.ts';
import { SqliteReader, storedOf, VIEWS } from './reader.ts';
import { RequestedKeys } from './requested-keys.ts';
import {
  END_HISTORY,
  END_JOB,
  END_REVIEW,
  eventValues,
  INSERT_EVENT,
  jobValues,
  PUT_HISTORY,
  PUT_JOB,
  PUT_REVIEW,
  reviewValues,
  type SqlRow,
  startValues,
} from './rows.ts';
import { prepared } from './statements.ts';
import { TestTables } from './test-tables.ts';

/**
 * Opens the database for writing; creates or migrates the schema. The caller holds the daemon's lock.
 * @throws OperationError
 */
export function openStore(file: string): Store {
  const database = openWritable(file);
  try {
    migrate(database);
    growWal(database);
    return new SqliteStore(database);
  } catch (thrown) {
    database.close();
    throw asOperationError('open database', file, thrown);
  }
}

/** Maximum time that a count stays only in memory. */
const COUNTS_WAIT_MS = 500;

class SqliteStore extends SqliteReader implements Store {
  private readonly statements: ReturnType<typeof prepareAll>;
  private readonly appendAll: (batch: readonly LogEntry[], noted: readonly IntakeUpdate[]) => void;
  private readonly intakeTables: IntakeTables;
  private readonly alarmTable: AlarmTable;
  private readonly testTables: TestTables;
  private readonly archivedViews: ArchivedViews;
  private readonly requestedKeys: RequestedKeys;
  /** Counts that are not written yet. */
  private readonly counted = new Map<string, number>();
  /** The position that is not written yet; 0: none. */
  private movedTo = 0;
  /** The note that is not written yet. */
  private served: ServedNote | null = null;
  private cancelFlush: (() => void) | null = null;

  constructor(database: Database) {
    super(database);
    this.statements = prepareAll(database);
    this.statements.addMeta.run('deployment', randomBytes(8).toString('hex'));
    this.intakeTables = new IntakeTables(database);
    this.alarmTable = new AlarmTable(database);
    this.testTables = new TestTables(database);
    this.archivedViews = new ArchivedViews(database, this.testTables);
    this.requestedKeys = new RequestedKeys(database);
    this.appendAll = database.transaction((batch: readonly LogEntry[], noted: readonly IntakeUpdate[]) => {
      for (const append of batch) {
        const left = this.archivedViews.remove(append.row);
        const { lastInsertRowid } = this.statements.insertEvent.run(...eventValues(append));
        this.archivedViews.restoreTurns(left);
        this.project(append, Number(lastInsertRowid));
      }
      for (const update of noted) this.intakeTables.note(update);
      this.writeCounts();
    }).immediate;
  }

  async append(batch: readonly LogEntry[], noted: readonly IntakeUpdate[] = []): Promise<void> {
    try {
      this.appendAll(batch, noted);
    } catch (thrown) {
      throw conflictOr(thrown);
    }
    for (const { row, stored } of batch) this.requestedKeys.add(row, stored.ended);
    this.intakeTables.noted(noted);
    this.clearCounts();
  }

  seen(change: number): readonly SeenEvent[] {
    return this.intakeTables.seen(change);
  }

  lastSeen(): number {
    return this.intakeTables.lastSeen;
  }

  /** Shares the next sync, like a count. */
  moveIntake(position: number): void {
    this.movedTo = Math.max(this.movedTo, position);
    this.flushSoon();
  }

  pruneSeen(before: number, limit: number): number {
    let pruned = 0;
    const prune = () => {
      pruned = this.intakeTables.prune(before, limit);
    };
    this.tryWrite(this.database.transaction(prune).immediate);
    return pruned;
  }

  wasRequested(history: string, key: string): boolean {
    return this.requestedKeys.has(history, key);
  }

  triggered(trigger: string): boolean {
    return this.statements.findTrigger.get(trigger) !== undefined;
  }

  open(): readonly HistorySnapshot[] {
    return (this.statements.findOpen.all() as SqlRow[]).map((row) => {
      const found = hash('sha256', String(row.stored), 'hex');
      if (found === row.state_hash && row.hash === row.event_hash && row.behind === 0) return storedOf(row);
      throw new Error(
        `the view of ${String(row.history)} does not match its log: run sos-ci verify, then rebuild`,
      );
    });
  }

  openReviews(project: string, change: number) {
    return this.statements.findOpenReviews.all(project, change) as {
      id: string;
      patchset: number;
      branch: string;
    }[];
  }

  /**
   * Shares the sync of the next append, or waits briefly for other counts: a busy stream has many lines that start
   * nothing.
   */
  count(name: string, by: number): void {
    this.counted.set(name, (this.counted.get(name) ?? 0) + by);
    this.flushSoon();
  }

  private flushSoon(): void {
    if (this.cancelFlush !== null) return;
    this.cancelFlush = after(COUNTS_WAIT_MS, () => this.flushCounts(), { unref: true });
  }

  override intakePosition(): CheckpointRecord | null {
    this.flushCounts();
    return super.intakePosition();
  }

  override intake(): Readonly<Record<string, number>> {
    this.flushCounts();
    return super.intake();
  }

  override close(): void {
    this.flushCounts();
    super.close();
  }

  alarm(alarm: Alarm, at: number, renewAfterMs = 0, kept = Number.MAX_SAFE_INTEGER): void {
    this.tryWrite(() => this.alarmTable.put(alarm, at, renewAfterMs, kept));
  }

  acknowledge(...[alarm, at, by, why]: Parameters<Store['acknowledge']>): number {
    let count = 0;
    this.tryWrite(() => {
      count = this.alarmTable.acknowledge(alarm, at, by, why);
    });
    return count;
  }

  unmailed(limit: number): readonly UnmailedAlarm[] {
    return this.alarmTable.unmailed(limit);
  }

  markMailed(alarms: readonly UnmailedAlarm[]): void {
    this.tryWrite(this.database.transaction(() => this.alarmTable.markMailed(alarms)).immediate);
  }

  recordTests(...recorded: Parameters<Store['recordTests']>): void {
    this.tryWrite(this.database.transaction(() => this.testTables.record(...recorded)).immediate);
  }

  recordPeerActivity(...[activity, pruneBefore]: Parameters<Store['recordPeerActivity']>): void {
    this.tryWrite(() => this.intakeTables.recordPeerActivity(activity, pruneBefore));
  }

  setDaemon(view: DaemonView): void {
    this.setMeta('daemon', view);
  }

  setHealth(record: HealthRecord): void {
    this.setMeta('health', record);
  }

  setConfig(record: ConfigRecord): void {
    this.setMeta('config', record);
  }

  private setMeta(key: string, value: object): void {
    this.tryWrite(() => this.putMeta(key, value));
  }

  private putMeta(key: string, value: object): void {
    this.statements.putMeta.run(key, JSON.stringify(value));
  }

  servedNote(): ServedNote | null {
    return this.served ?? (this.meta('served') as ServedNote | null);
  }

  /** Shares the next sync, like a count. */
  noteServed(note: ServedNote): void {
    this.served = note;
    this.flushSoon();
  }

  lastRowAt(): number | null {
    const row = this.rowOf('SELECT at FROM event ORDER BY seq DESC LIMIT 1');
    return row === undefined ? null : Number(row.at);
  }

  replaceViews(appends: Iterable<LogEntry & { readonly seq: number }>): void {
    this.database
      .transaction(() => {
        this.statements.clearViews.forEach((statement) => {
          statement.run();
        });
        for (const append of appends) this.project(append, append.seq);
      })
      .immediate();
  }

  private project({ row, stored, texts, projection: view, endsJob, reopens }: LogEntry, seq: number): void {
    const { statements } = this;
    const { ended } = stored;
    const putHistory = ended || reopens ? statements.endHistory : statements.putHistory;
    putHistory.run(row.history, seq, row.version, ended ? 1 : 0, texts.stored, row.hash);
    if (view.kind === 'job') (ended ? statements.endJob : statements.putJob).run(...jobValues(view));
    if (view.kind === 'review')
      (ended ? statements.endReview : statements.putReview).run(...reviewValues(view));
    if (row.type === 'review.opened') {
      statements.putTrigger.run(row.data.trigger, row.history);
      const start = startValues(row);
      if (start !== null) statements.putStart.run(...start);
    }
    if (row.type === 'review.superseded' && view.kind === 'review' && view.outcome === 'withdrawn' && ended)
      statements.dropStart.run(row.history);
    this.updateOutbox(row, texts.effects, seq);
    if (row.type === 'slot.granted' && row.outcome === 'moved' && view.kind === 'job')
      statements.putTurn.run(view.provider, view.project, seq, row.at);
    if (endsJob && view.kind === 'job') {
      const day = new Date(row.at).toISOString().slice(0, 10);
      statements.countDay.run(day, view.name, view.verdict);
    }
  }

  private updateOutbox(row: LogRow, texts: readonly string[], seq: number): void {
    if (row.settles !== null) this.statements.dropPending.run(row.history, row.settles);
    for (const [index, effect] of row.effects.entries()) {
      if (effect.type === 'sendEvent') continue;
      if (effect.type === 'cancelEffect') this.statements.dropPending.run(row.history, effect.key);
      else {
        this.statements.addPending.run(row.history, effect.key, seq, row.at, texts[index]);
      }
    }
  }

  private flushCounts(): void {
    if (this.cancelFlush === null || !this.database.open) return;
    this.tryWrite(this.database.transaction(() => this.writeCounts()).immediate);
    this.clearCounts();
  }

  private writeCounts(): void {
    for (const [name, by] of this.counted) this.statements.count.run(name, by);
    if (this.movedTo > 0) this.intakeTables.move(this.movedTo);
    if (this.served !== null) this.putMeta('served', this.served);
  }

  private clearCounts(): void {
    this.counted.clear();
    this.movedTo = 0;
    this.served = null;
    this.cancelFlush?.();
    this.cancelFlush = null;
  }

  /** Writes side tables: a full disk or a locked database loses a count, but never fails the caller. */
  private tryWrite(write: () => void): void {
    try {
      write();
    } catch (thrown) {
      if (!(translate(thrown) instanceof StoreUnavailable)) throw thrown;
    }
  }
}

/** The version or the trigger exists already. Any other violated constraint is a bug in this program. */
const CONFLICTS: readonly string[] = [
  'SQLITE_CONSTRAINT_TRIGGER',
  'SQLITE_CONSTRAINT_UNIQUE',
  'SQLITE_CONSTRAINT_PRIMARYKEY',
];

function conflictOr(thrown: unknown): unknown {
  if (thrown instanceof Sqlite.SqliteError && CONFLICTS.includes(thrown.code)) {
    return new VersionConflict(thrown.message, { cause: thrown });
  }
  return translate(thrown);
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => prepared(database, sql);
  return {
    insertEvent: prepare(INSERT_EVENT),
    putHistory: prepare(PUT_HISTORY),
    endHistory: prepare(END_HISTORY),
    putJob: prepare(PUT_JOB),
    endJob: prepare(END_JOB),
    putReview: prepare(PUT_REVIEW),
    endReview: prepare(END_REVIEW),
    putTrigger: prepare('INSERT INTO trigger_view VALUES (?, ?)'),
    putStart: prepare('INSERT INTO start_view VALUES (?, ?, ?, ?, ?)'),
    dropStart: prepare('DELETE FROM start_view WHERE review = ?'),
    addPending: prepare('INSERT INTO outbox VALUES (?, ?, ?, ?, ?)'),
    dropPending: prepare('DELETE FROM outbox WHERE history = ? AND key = ?'),
    putTurn: prepare('INSERT OR REPLACE INTO last_served VALUES (?, ?, ?, ?)'),
    countDay: prepare(
      'INSERT INTO day_view VALUES (?, ?, ?, 1) ON CONFLICT (day, name, verdict) DO UPDATE SET jobs = jobs + 1',
    ),
    findTrigger: prepare('SELECT 1 FROM trigger_view WHERE trigger = ?'),
    findOpen:
      prepare(`SELECT view.history, view.stored, view.hash, event.state_hash, event.hash AS event_hash,
        EXISTS (SELECT 1 FROM event WHERE history = view.history AND version = view.version + 1) AS behind
      FROM history_view AS view LEFT JOIN event ON event.history = view.history AND event.version = view.version
      WHERE view.ended = 0 ORDER BY view.first_seq`),
    findOpenReviews: prepare(
      'SELECT id, patchset, branch FROM review_view WHERE project = ? AND change = ? AND ended = 0 ORDER BY id DESC',
    ),
    count: prepare(
      'INSERT INTO event_count VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET times = times + excluded.times',
    ),
    putMeta: prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)'),
    addMeta: prepare('INSERT OR IGNORE INTO meta VALUES (?, ?)'),
    clearViews: VIEWS.map(([table]) => prepare(`DELETE FROM ${table}`)),
  };
}
