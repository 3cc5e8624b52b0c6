/**
 * The store's port. Its comments are durability guarantees; test/contracts/store.ts checks every implementation.
 *
 * - `append` resolves only after the whole batch would survive power loss; when it rejects, nothing of the batch is
 *   stored.
 * - Rows are never changed. A row whose version is not the next one of its history is refused.
 * - Rows leave only with the `histories.archived` that lists them, in its transaction, together with their views: a
 *   whole history, or the rows before a `history.continued`. Anything else that it lists is refused.
 * - Views change in the same transaction as their rows, and can be rebuilt from the rows alone.
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
import type { LogReader, NumberedRow } from './log-reader.ts';
import type { TestReader, TestRecorder } from './test-history.ts';

export type { JobView, NumberedRow, ReviewView };

/** A row, the resulting state, and the view of that state. */
export interface LogEntry {
  readonly row: LogRow;
  readonly stored: HistorySnapshot;
  /** The texts that the hashes cover; stored unchanged. */
  readonly texts: StepTexts;
  readonly projection: Projection;
  /** True on the one row that ends a job: it adds to the counts of its day. */
  readonly endsJob: boolean;
  /** True on the row that reopens an ended history. */
  readonly reopens: boolean;
}

/** Decisions of the intake, stored in the same transaction as the work that they started. */
export interface IntakeUpdate {
  readonly seen: readonly SeenEvent[];
  /** Numbers of events that the stream has now reported as well. */
  readonly streamed: readonly number[];
  /** Numbers of patchsets that are no longer hidden. */
  readonly shown: readonly number[];
  /** The ids of events that were first seen without one. */
  readonly named?: readonly IdAssignment[];
  /** Starts that a limit holds back from now on, one for each change; null: no start waits for the change any more. */
  readonly waiting?: readonly WaitingChange[];
  readonly ignored?: readonly IgnoredRequest[];
  /** Null: unchanged. */
  readonly intake: CheckpointRecord | null;
}

export interface WaitingChange {
  readonly project: string;
  readonly change: number;
  readonly waiting: WaitingStart | null;
}

/** A requested run that was ignored, or a start that did not fit on the waiting list. */
export interface IgnoredRequest extends Finding {
  readonly project: string;
  readonly change: number;
  readonly patchset: number;
  readonly by: string;
  /** Epoch ms. */
  readonly at: number;
}

/** How far Gerrit's events were processed. Epoch ms, by Gerrit's clock. */
export interface CheckpointRecord {
  /** When our responsibility begins: a catch-up never starts anything older. */
  readonly origin: number;
  /** Everything up to this time is decided; written after the events, never before them. */
  readonly position: number;
  /** Events before this time may have been pruned. */
  readonly prunedBefore: number;
}

/** Refused: a history has another version by now, or the trigger has started a review before. */
export class VersionConflict extends Error {
  override readonly name = 'VersionConflict';
}

/**
 * Nothing was written because the disk is full, or the database is locked or read-only for now. A retry can succeed.
 */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly hint: string;
  constructor(message: string, hint: string, cause: unknown) {
    super(message, { cause });
    this.hint = hint;
  }
}

/** A log row whose text is not JSON: the file is damaged, or another program changed it. */
export class UnreadableRow extends Error {
  override readonly name = 'UnreadableRow';
  readonly history: string;
  readonly version: number;
  readonly field: 'data' | 'effects';
  constructor(row: Pick<UnreadableRow, 'history' | 'version' | 'field'>, cause: Error) {
    super(`${row.history}, row ${row.version}: ${row.field} is not JSON: ${cause.message}`, { cause });
    this.history = row.history;
    this.version = row.version;
    this.field = row.field;
  }
}

export interface OutboxEntry {
  readonly history: string;
  readonly key: string;
  readonly effect: KeyedEffect;
  /** seq of the requesting row: the order in which slots are granted. */
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
  /** When the alarm was cleared; null: it may still hold, or is of a kind that is never cleared automatically. */
  readonly clearedAt: number | null;
  /** When an operator acknowledged it, who and why; null: not acknowledged since it became new. */
  readonly acknowledgedAt: number | null;
  readonly acknowledgedBy: string;
  readonly acknowledgedWhy: string;
}

export type AlarmName = Pick<Alarm, 'kind' | 'target'>;

export interface UnmailedAlarm extends AlarmView {
  /** When it last became new, or was cleared. */
  readonly newAt: number;
}

/** When a project last received a slot of a provider. */
export interface LastServed {
  readonly provider: string;
  readonly project: string;
  readonly at: number;
}

/** The last daemon that held the database; the reader must check whether it still runs. */
export interface DaemonView {
  readonly pid: number;
  /** Kernel start time of the pid (clock ticks since boot), which reveals a reused pid; 0 if unknown. */
  readonly startTicks: number;
  readonly startedAt: number;
  readonly version: string;
  /** `running`, `draining`, `stopped`, or `degraded: WHY`. */
  readonly mode: string;
  readonly stream: string;
  /** Limits on concurrent jobs; absent in records of older versions. */
  readonly limits?: SlotLimits;
  /** SSH connections to Gerrit; absent in records of older versions. */
  readonly connections?: ConnectionsView;
  /** The configured janitors; absent in records of older versions. */
  readonly janitors?: readonly JanitorView[];
}

/** A configured janitor, and what starts it besides an operator. */
export interface JanitorView {
  readonly name: string;
  readonly backends: readonly string[];
  /** Null: it is not started by idle back ends. */
  readonly idleMs: number | null;
  /** In cron's syntax, in UTC; null: none. */
  readonly schedule: string | null;
  /** A program prints a number, and more than this starts it; null: none. */
  readonly above: number | null;
}

export interface ConnectionsView {
  readonly needed: number;
  readonly open: number;
}

/** Activity on Gerrit's stream in a period of time. */
export interface PeerActivity {
  readonly begunAt: number;
  readonly listenedMs: number;
  /** Reports of other CIs. */
  readonly others: number;
}

/** Wall-clock time during which no daemon was alive, or which a clock skipped when it was set forward. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

export interface ServedNote {
  /** When a daemon was last known to be alive, ms since the epoch. */
  readonly aliveAt: number;
  /** Oldest first. */
  readonly gaps: readonly Gap[];
}

/** A problem that was reported to the operator and is not over. */
export interface Problem extends Pick<Alarm, 'kind' | 'target' | 'message' | 'hint'> {
  /** Identifies the cause. */
  readonly topic: string;
  readonly since: number;
}

/** The newest health check. */
export interface HealthRecord {
  readonly limits: HealthLimits;
  /** Oldest first. */
  readonly problems: readonly Problem[];
}

/** The active configuration, and the errors of the file since it was loaded. */
export interface ConfigRecord {
  readonly file: string;
  /** Who reloaded the active configuration, and why; both '' at a start of the daemon. */
  readonly by: string;
  readonly why: string;
  readonly loadedAt: number;
  /** Dotted keys that the reload changed. */
  readonly changed: readonly string[];
  /** Dotted keys that differ in the file and take effect only after the next start. */
  readonly restart: readonly string[];
  /** The first errors in the file, each with its location; empty: none. */
  readonly problems: readonly string[];
  readonly rejectedAt: number | null;
}

/** One successful stacking of a job. */
export interface StackTime {
  /** The job's name. */
  readonly job: string;
  readonly provider: string;
  readonly ms: number;
  /** A caching proxy answered. */
  readonly proxy: boolean;
  /** Files were copied from a preseed directory. */
  readonly preseed: boolean;
}

/** What jobs can be sorted by. `took`: from its acceptance to its end, or until now. */
export const JOB_ORDERS = [
  ...(['accepted', 'attempt', 'branch', 'change', 'ended', 'id', 'job', 'owner'] as const),
  ...(['project', 'provider', 'state', 'took', 'verdict'] as const),
];
export type JobOrder = (typeof JOB_ORDERS)[number];

/** Which jobs: those that match every given part. */
export interface JobQuery {
  readonly open?: boolean;
  readonly change?: number;
  readonly project?: string;
  readonly branch?: string;
  readonly name?: string;
  readonly owner?: string;
  /** The top-level state: `testing` finds `testing.running`. */
  readonly state?: string;
  /** Any of these. */
  readonly verdicts?: readonly Verdict[];
  /** Accepted at this time or later, epoch ms. */
  readonly since?: number;
  /** Accepted before this time, epoch ms. */
  readonly until?: number;
  /** Absent: the newest first. Without a value, as the end of an open job, a job comes last. */
  readonly sort?: { readonly by: JobOrder; readonly descending: boolean };
  readonly limit: number;
}

/** Read-only queries. Works beside a running daemon. */
export interface StoreReader extends LogReader, TestReader {
  jobs(query: JobQuery): readonly JobView[];
  job(id: string): JobView | null;
  /** Up to `limit` ids that begin with `prefix`: people type only the first characters. */
  jobIds(prefix: string, limit: number): readonly string[];
  review(id: string): ReviewView | null;
  reviews(query: Pick<JobQuery, 'open' | 'change' | 'limit'>): readonly ReviewView[];
  stored(history: string): HistorySnapshot | null;
  /** The open histories whose name begins with `prefix`, sorted by name. */
  openHistories(prefix: string): readonly HistorySnapshot[];
  /** Up to `limit` histories, open or ended, whose name begins with `prefix`, the last names first. */
  newestHistories(prefix: string, limit: number): readonly HistorySnapshot[];
  outbox(history?: string): readonly OutboxEntry[];
  /** Those that ended at `since` or later, from the start of the command to its end, in chronological order. */
  stackTimes(since: number): readonly StackTime[];
  /** In chronological order. */
  lastServed(): readonly LastServed[];
  counts(sinceDay: string): readonly DayCount[];
  /**
   * Reviews that an event began after `since` and not after `until`, by the time of the event. Reviews that a newer
   * patchset superseded are left out.
   */
  starts(of: { readonly since: number; readonly until: number }): readonly CountedStart[];
  /** Starts that a limit holds back, the longest wait first. */
  waitingStarts(): readonly WaitingStart[];
  /** Ignored requests on the change, newest first. */
  ignoredRequests(change: number, limit: number): readonly IgnoredRequest[];
  /** The review that this trigger started; null: none. */
  startedBy(trigger: string): string | null;
  alarms(limit: number): readonly AlarmView[];
  lastAlarm(kind: Alarm['kind'], target: string): AlarmView | null;
  /** Our newest report, and the stream's activity since then. */
  reportActivity(): ReportActivity;
  /** Null: no daemon has checked yet. */
  health(): HealthRecord | null;
  /** Null: no daemon has run on this database. */
  config(): ConfigRecord | null;
  /** Null: no daemon has listened to the stream yet. */
  intakePosition(): CheckpointRecord | null;
  /** Gerrit events by name since the database was created: `patchset-created`, `rejected:not-json` ... */
  intake(): Readonly<Record<string, number>>;
  daemon(): DaemonView | null;
  /** The random id of this database, which servers carry when the configuration sets no deployment name. */
  deployment(): string;
  /** The schema's objects as sorted text, one line per object: equal text means equal schema. */
  schema(): readonly string[];
  /** All views as sorted text, one line per row: equal text means equal views. */
  views(): Iterable<string>;
  close(): void;
}

/** The writing side, for the single daemon. */
export interface Store extends StoreReader, TestRecorder {
  /**
   * All or nothing; durable when it resolves. Stores the trigger of a `review.opened` and refuses a known one.
   * @throws VersionConflict, StoreUnavailable
   */
  append(batch: readonly LogEntry[], noted?: readonly IntakeUpdate[]): Promise<void>;
  /** True when a row of the history requested an effect with this key, settled or not. */
  wasRequested(history: string, key: string): boolean;
  /** Decided events of a change that are not pruned, lowest number first. */
  seen(change: number): readonly SeenEvent[];
  /** The highest number ever assigned to a seen event; 0 for none. */
  lastSeen(): number;
  /**
   * Advances the position with a delay. A lost update leaves an older position, after which a catch-up checks events
   * again.
   */
  moveIntake(position: number): void;
  /** Prunes up to `limit` events seen before `before`. Returns how many were pruned. */
  pruneSeen(before: number, limit: number): number;
  /** Up to `limit` rows after the number `after`, in order; only what tells whether their histories are old. */
  rowTimes(after: number, limit: number): readonly Pick<NumberedRow, 'seq' | 'history' | 'at'>[];
  /** True when this trigger has started a review before. */
  triggered(trigger: string): boolean;
  /**
   * Open histories, in the order of their first row. A state that does not match its hash is a corrupt row: it throws.
   */
  open(): readonly HistorySnapshot[];
  /** Open reviews of the change, newest first. */
  openReviews(
    project: string,
    change: number,
  ): readonly { readonly id: string; readonly patchset: number; readonly branch: string }[];
  /** Counters and alarms are side tables: not in the log, lost counts are acceptable. */
  count(name: string, by: number): void;
  /**
   * Records an alarm. A `cleared` alarm marks the existing alarm of the same name, if any, and makes it unmailed again.
   * @param renewAfterMs an alarm that was not raised for this long counts as new again; after a clear it is always new
   * @param kept maximum number of distinct alarms; the oldest are removed first
   */
  alarm(alarm: Alarm, at: number, renewAfterMs?: number, kept?: number): void;
  /** Acknowledges this alarm, or all with null. Returns how many were not acknowledged before. */
  acknowledge(alarm: AlarmName | null, at: number, by: string, why: string): number;
  /** New alarms that have not been mailed yet, oldest first; those about mail itself last. */
  unmailed(limit: number): readonly UnmailedAlarm[];
  /** Marks these alarms as mailed, except those that became new again since then. */
  markMailed(alarms: readonly UnmailedAlarm[]): void;
  /** Records the activity between two health checks. Prunes activity that began before `pruneBefore`. */
  recordPeerActivity(activity: PeerActivity, pruneBefore: number): void;
  setHealth(record: HealthRecord): void;
  setConfig(record: ConfigRecord): void;
  setDaemon(view: DaemonView): void;
  /** Null: no note yet. */
  servedNote(): ServedNote | null;
  noteServed(note: ServedNote): void;
  /** When the newest row was appended; null: the log is empty. */
  lastRowAt(): number | null;
  /** Clears and rebuilds the views in one transaction. */
  replaceViews(appends: Iterable<LogEntry & { readonly seq: number }>): void;
}
