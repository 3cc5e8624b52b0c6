/**
 * The store's port. Its comments are durability promises; test/contracts/store.ts holds every engine to them.
 *
 * - `append` resolves only after the whole batch would survive power loss; when it rejects, nothing of the batch is there.
 * - Rows are never changed or removed. A row whose version is not the next one of its history is refused.
 * - Views change in the same transaction as the rows that they are made from, and can be made again from the rows alone.
 */

import type { Alarm } from '../../machines/model/alarm.ts';
import type { HealthLimits, ReportActivity } from '../../machines/model/health-snapshot.ts';
import type { Verdict } from '../../machines/model/verdict.ts';
import type { KeyedEffect } from '../../machines/protocol/effects.ts';
import type { JobView, Projection, ReviewView } from '../../machines/protocol/projection.ts';
import type { HistorySnapshot, LogRow, StepTexts } from '../../machines/protocol/row.ts';
import type { SlotLimits } from '../../machines/slot-queue.ts';
import type { IdAssignment, SeenEvent } from '../../machines/trigger/deduplication.ts';
import type { CountedStart } from '../../machines/trigger/rules/rate-limit.ts';
import type { Finding } from '../../machines/trigger/rules/rule-names.ts';
import type { WaitingStart } from '../../machines/trigger/trigger-facts.ts';

export type { JobView, ReviewView };

/** A row, the state that it leads to, and what people will see of it. */
export interface LogEntry {
  readonly row: LogRow;
  readonly stored: HistorySnapshot;
  /** What the hashes were made over; kept as it is. */
  readonly texts: StepTexts;
  readonly projection: Projection;
  /** True on the one row that ends a job: it is counted for its day. */
  readonly endsJob: boolean;
  /** True where a history that had ended goes on. */
  readonly reopens: boolean;
}

/** What was decided, kept in the transaction of what it started. */
export interface IntakeUpdate {
  readonly seen: readonly SeenEvent[];
  /** Numbers of those that the stream has now told of as well. */
  readonly streamed: readonly number[];
  /** Numbers of patchsets that are not hidden any more. */
  readonly shown: readonly number[];
  /** Of what was seen without an id, the ids that it has. */
  readonly named?: readonly IdAssignment[];
  /** Starts that a limit holds back from now on, one for each change; null: none waits for the change any more. */
  readonly waiting?: readonly WaitingChange[];
  readonly ignored?: readonly IgnoredRequest[];
  /** Null: as it was. */
  readonly intake: CheckpointRecord | null;
}

export interface WaitingChange {
  readonly project: string;
  readonly change: number;
  readonly waiting: WaitingStart | null;
}

/** Somebody asked for a run and did not get it, or a start found no place to wait. */
export interface IgnoredRequest extends Finding {
  readonly project: string;
  readonly change: number;
  readonly patchset: number;
  readonly by: string;
  /** Epoch ms. */
  readonly at: number;
}

/** How far Gerrit's events were taken. Epoch ms, by Gerrit's clock. */
export interface CheckpointRecord {
  /** From when on we are responsible: nothing older is ever started by a look back. */
  readonly origin: number;
  /** Everything up to here was decided; written behind the events, never ahead of them. */
  readonly position: number;
  /** What was seen before this may have been forgotten. */
  readonly forgotten: number;
}

/** Refused: another row has this version already. */
export class VersionConflict extends Error {
  override readonly name = 'VersionConflict';
}

/** Nothing was written because there is no room, or the database is locked or read-only for now. Trying again later can help. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly hint: string;
  constructor(message: string, hint: string, cause: unknown) {
    super(message, { cause });
    this.hint = hint;
  }
}

/** A row of the log whose text is no JSON: the file was damaged, or changed behind the program's back. */
export class UnreadableRow extends Error {
  override readonly name = 'UnreadableRow';
  readonly history: string;
  readonly version: number;
  readonly field: 'data' | 'effects';
  constructor(row: Pick<UnreadableRow, 'history' | 'version' | 'field'>, cause: Error) {
    super(`${row.history}, row ${row.version}: ${row.field} is no JSON: ${cause.message}`, { cause });
    this.history = row.history;
    this.version = row.version;
    this.field = row.field;
  }
}

/** A row with its place in the whole log. */
export interface NumberedRow extends LogRow {
  readonly seq: number;
}

export interface OutboxEntry {
  readonly history: string;
  readonly key: string;
  readonly effect: KeyedEffect;
  /** seq of the row that asked for it: the order in which slots are granted. */
  readonly seq: number;
  readonly requestedAt: number;
}

export interface DayCount {
  /** UTC, YYYY-MM-DD, of the job's end. */
  readonly day: string;
  readonly name: string;
  readonly verdict: Verdict;
  readonly jobs: number;
}

export interface AlarmView extends Omit<Alarm, 'cleared'> {
  readonly firstAt: number;
  readonly lastAt: number;
  readonly times: number;
  /** When what it tells of was over; null: it may still hold, or is of a kind that does not end by itself. */
  readonly clearedAt: number | null;
  /** When an operator acknowledged it, who and why; null: no one did since it became new. */
  readonly acknowledgedAt: number | null;
  readonly acknowledgedBy: string;
  readonly acknowledgedWhy: string;
}

export type AlarmName = Pick<Alarm, 'kind' | 'target'>;

export interface UnmailedAlarm extends AlarmView {
  /** When it last began again, or was over. */
  readonly newAt: number;
}

/** When a project was last given a slot of a provider. */
export interface LastServed {
  readonly provider: string;
  readonly project: string;
  readonly at: number;
}

/** The last daemon that held the database; whether it still runs is for the reader to find out. */
export interface DaemonView {
  readonly pid: number;
  /** Kernel start time of that pid (clock ticks since boot), so that a reused pid is not taken for it; 0 if unknown. */
  readonly startTicks: number;
  readonly startedAt: number;
  readonly version: string;
  /** running, draining, degraded, stopped. */
  readonly mode: string;
  readonly stream: string;
  /** How many jobs it runs at a time; absent in what an older one left. */
  readonly limits?: SlotLimits;
  /** Connections to Gerrit by SSH; absent in what an older one left. */
  readonly connections?: ConnectionsView;
}

export interface ConnectionsView {
  readonly needed: number;
  readonly open: number;
}

/** What was heard of Gerrit's stream in a stretch of time. */
export interface PeerActivity {
  readonly begunAt: number;
  readonly listenedMs: number;
  /** Reports of other CIs. */
  readonly others: number;
}

/** Wall-clock time for which no daemon was alive, or that a clock which was set forward made up. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

export interface ServedNote {
  /** A daemon was alive then, ms since the epoch. */
  readonly aliveAt: number;
  /** Oldest first. */
  readonly gaps: readonly Gap[];
}

/** What an operator was told of and is not over. */
export interface Problem extends Pick<Alarm, 'kind' | 'target' | 'message' | 'hint'> {
  /** The same for the same cause. */
  readonly topic: string;
  readonly since: number;
}

/** The newest health check. */
export interface HealthRecord {
  readonly limits: HealthLimits;
  /** Oldest first. */
  readonly problems: readonly Problem[];
}

/** The configuration that is active, and what is wrong with the file since it was read. */
export interface ConfigRecord {
  readonly file: string;
  /** Who had the active configuration read, and why; both '' at a start of the daemon. */
  readonly by: string;
  readonly why: string;
  readonly loadedAt: number;
  /** Dotted keys that changed with it. */
  readonly changed: readonly string[];
  /** Dotted keys that are in the file and count only after the next start. */
  readonly restart: readonly string[];
  /** Mistakes in the file, the first ones, each with its place; empty: none. */
  readonly problems: readonly string[];
  readonly rejectedAt: number | null;
}

/** Read-only questions. Works beside a running daemon. */
export interface StoreReader {
  /** Newest first. */
  jobs(query: {
    readonly open?: boolean;
    readonly change?: number;
    readonly limit: number;
  }): readonly JobView[];
  job(id: string): JobView | null;
  /** Ids that begin with `prefix`, at most `limit`: people type the first characters. */
  jobIds(prefix: string, limit: number): readonly string[];
  review(id: string): ReviewView | null;
  reviews(query: {
    readonly open?: boolean;
    readonly change?: number;
    readonly limit: number;
  }): readonly ReviewView[];
  rows(history: string): readonly NumberedRow[];
  /** Every history's name, in the order of its first row. */
  histories(): Iterable<string>;
  stored(history: string): HistorySnapshot | null;
  outbox(history?: string): readonly OutboxEntry[];
  /** In the order in which they were. */
  lastServed(): readonly LastServed[];
  counts(sinceDay: string): readonly DayCount[];
  /**
   * Reviews that an event began after `since` and not after `until`, by the time of the event. Those that a newer patchset
   * superseded are left out.
   */
  starts(of: { readonly since: number; readonly until: number }): readonly CountedStart[];
  /** Starts that a limit holds back, the longest first. */
  waitingStarts(): readonly WaitingStart[];
  /** Requests that were ignored on the change, the newest first. */
  ignoredRequests(change: number, limit: number): readonly IgnoredRequest[];
  /** The review that this trigger has started; null: none. */
  startedBy(trigger: string): string | null;
  alarms(limit: number): readonly AlarmView[];
  lastAlarm(kind: Alarm['kind'], target: string): AlarmView | null;
  /** Our newest report, and what was heard since then. */
  reportActivity(): ReportActivity;
  /** Null: no daemon has checked yet. */
  health(): HealthRecord | null;
  /** Null: no daemon has run on this database. */
  config(): ConfigRecord | null;
  /** Null before anybody has listened. */
  intakePosition(): CheckpointRecord | null;
  /** Gerrit events by name since the database was made: `patchset-created`, `rejected:not-json` ... */
  intake(): Readonly<Record<string, number>>;
  daemon(): DaemonView | null;
  /** Rows in the log. */
  length(): number;
  /** Every row in the order in which it was appended. */
  log(): Iterable<NumberedRow>;
  /** The random id that this database was made with: what is written on servers where the configuration names none. */
  deployment(): string;
  /** The schema's objects as text, a line an object, sorted: equal text, equal schema. */
  schema(): readonly string[];
  /** All views as text, a line a row, sorted: equal text, equal views. */
  views(): Iterable<string>;
  close(): void;
}

/** The writing side, for the one daemon. */
export interface Store extends StoreReader {
  /**
   * All or nothing, durable when it resolves. The trigger of a `review.opened` is kept with it and refused when it is known already.
   * @throws VersionConflict, StoreUnavailable
   */
  append(batch: readonly LogEntry[], noted?: readonly IntakeUpdate[]): Promise<void>;
  /** True when a row of the history asked for an effect with this key, settled or not. */
  asked(history: string, key: string): boolean;
  /** What was decided of a change and is not forgotten, oldest number first. */
  seen(change: number): readonly SeenEvent[];
  /** The highest number that was ever given to something seen; 0 for none. */
  lastSeen(): number;
  /** Moves the position on, some time soon: one that is lost is an older one, and what follows it is looked at again. */
  moveIntake(position: number): void;
  /** Forgets what was seen before `before`, at most `limit` of it. Returns how many were forgotten. */
  forgetSeen(before: number, limit: number): number;
  /** True when this trigger has started something before. */
  triggered(trigger: string): boolean;
  /** Open histories, in the order of their first row. A state that does not fit its hash is a corrupt row: it throws. */
  open(): readonly HistorySnapshot[];
  /** Open review of the change in the pipeline, newest first. */
  openReviews(
    project: string,
    change: number,
  ): readonly { readonly id: string; readonly patchset: number; readonly branch: string }[];
  /** Counters and alarms are side tables: not in the log, lost counts are acceptable. */
  count(name: string, by: number): void;
  /**
   * One that is `cleared` marks the alarm of its name, where there is one, and is untold again.
   * @param quietMs that it was not raised before it counts as a new one; after it was cleared it is always new
   * @param kept different alarms that are remembered; the oldest go first
   */
  alarm(alarm: Alarm, at: number, quietMs?: number, kept?: number): void;
  /** An operator has seen this alarm, or all with null. Returns how many were not acknowledged before. */
  acknowledge(alarm: AlarmName | null, at: number, by: string, why: string): number;
  /** New alarms that nobody was told of by mail, the oldest first; those about mail itself last. */
  unmailed(limit: number): readonly UnmailedAlarm[];
  /** These were told; one that has become new since then has not. */
  markMailed(alarms: readonly UnmailedAlarm[]): void;
  /** Listened to between two looks. What began before `forgetBefore` is forgotten. */
  recordPeerActivity(heard: PeerActivity, forgetBefore: number): void;
  setHealth(record: HealthRecord): void;
  setConfig(record: ConfigRecord): void;
  setDaemon(view: DaemonView): void;
  /** Null: none was written yet. */
  servedNote(): ServedNote | null;
  noteServed(note: ServedNote): void;
  /** When the newest row was appended; null: there is none. */
  lastRowAt(): number | null;
  /** Empties the views and makes them again, in one transaction. */
  replaceViews(appends: Iterable<LogEntry & { readonly seq: number }>): void;
}
