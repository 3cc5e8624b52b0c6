/** Converts table rows to the port's types, and back. No other file maps these columns. */
import {
  type JobView,
  type LogEntry,
  type NumberedRow,
  type OutboxEntry,
  type ReviewView,
  UnreadableRow,
} from '../../engine/ports/store.ts';
import type { KeyedEffect } from '../../machines/protocol/effects.ts';
import type { ReviewEvent } from '../../machines/protocol/events.ts';
import type { LogRow } from '../../machines/protocol/row.ts';

export type SqlRow = Readonly<Record<string, unknown>>;

export function eventRow(row: SqlRow): NumberedRow {
  return {
    seq: Number(row.seq),
    history: String(row.history),
    version: Number(row.version),
    type: String(row.type) as NumberedRow['type'],
    eventVersion: Number(row.event_version),
    at: Number(row.at),
    data: parsed(row, 'data') as NumberedRow['data'],
    settles: textOrNull(row.settles),
    causationId: textOrNull(row.causation_id),
    outcome: String(row.outcome) as NumberedRow['outcome'],
    machine: String(row.machine) as NumberedRow['machine'],
    state: String(row.state),
    stateHash: String(row.state_hash),
    effects: parsed(row, 'effects') as NumberedRow['effects'],
    hash: String(row.hash),
  };
}

function parsed(row: SqlRow, field: 'data' | 'effects'): unknown {
  try {
    return JSON.parse(String(row[field]));
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    throw new UnreadableRow({ history: String(row.history), version: Number(row.version), field }, thrown);
  }
}

export const INSERT_EVENT = `INSERT INTO event (history, version, type, event_version, at, data, settles, causation_id,
  outcome,
  machine, state, state_hash, effects, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export function eventValues({ row, texts }: LogEntry): readonly unknown[] {
  return [
    row.history,
    row.version,
    row.type,
    row.eventVersion,
    row.at,
    texts.data,
    row.settles,
    row.causationId,
    row.outcome,
    row.machine,
    row.state,
    row.stateHash,
    `[${texts.effects.join(',')}]`,
    row.hash,
  ];
}

export function jobRow(row: SqlRow): JobView {
  return {
    id: String(row.id),
    review: String(row.review),
    name: String(row.name),
    pipeline: String(row.pipeline),
    project: String(row.project),
    branch: String(row.branch),
    change: Number(row.change),
    patchset: Number(row.patchset),
    subject: String(row.subject),
    owner: String(row.owner),
    provider: String(row.provider),
    state: String(row.state),
    ended: row.ended === 1,
    queued: row.queued === 1,
    cleaningUp: row.cleaning_up === 1,
    parked: row.parked === 1,
    attempt: Number(row.attempt),
    verdict: textOrNull(row.verdict) as JobView['verdict'],
    reason: String(row.reason),
    url: textOrNull(row.url),
    acceptedAt: Number(row.accepted_at),
    updatedAt: Number(row.updated_at),
    endedAt: row.ended_at === null ? null : Number(row.ended_at),
  };
}

/**
 * Inserts a view's row once, and later updates only changing columns: an index on other columns is not touched, and
 * each avoided page write is one less to sync. `ended` is included only when it is set, because of the partial indexes.
 */
function upsert(table: string, key: string, columns: number, changing: readonly string[]): string {
  const values = Array.from({ length: columns }, () => '?').join(', ');
  const sets = changing.map((column) => `${column} = excluded.${column}`).join(', ');
  return `INSERT INTO ${table} VALUES (${values}) ON CONFLICT (${key}) DO UPDATE SET ${sets}`;
}

const HISTORY_CHANGES = ['version', 'stored', 'hash'];
const JOB_CHANGES = [
  'state',
  'queued',
  'cleaning_up',
  'parked',
  'attempt',
  'verdict',
  'reason',
  'url',
  'updated_at',
  'ended_at',
];
const REVIEW_CHANGES = ['state', 'jobs_pending', 'outcome', 'updated_at'];

export const PUT_HISTORY = upsert('history_view', 'history', 6, HISTORY_CHANGES);
export const END_HISTORY = upsert('history_view', 'history', 6, [...HISTORY_CHANGES, 'ended']);
export const PUT_JOB = upsert('job_view', 'id', 23, JOB_CHANGES);
export const END_JOB = upsert('job_view', 'id', 23, [...JOB_CHANGES, 'ended']);
export const PUT_REVIEW = upsert('review_view', 'id', 12, REVIEW_CHANGES);
export const END_REVIEW = upsert('review_view', 'id', 12, [...REVIEW_CHANGES, 'ended']);

export function jobValues(job: JobView): readonly unknown[] {
  return [
    job.id,
    job.review,
    job.name,
    job.pipeline,
    job.project,
    job.branch,
    job.change,
    job.patchset,
    job.subject,
    job.owner,
    job.provider,
    job.state,
    job.ended ? 1 : 0,
    job.queued ? 1 : 0,
    job.cleaningUp ? 1 : 0,
    job.parked ? 1 : 0,
    job.attempt,
    job.verdict,
    job.reason,
    job.url,
    job.acceptedAt,
    job.updatedAt,
    job.endedAt,
  ];
}

export function reviewRow(row: SqlRow): ReviewView {
  return {
    id: String(row.id),
    pipeline: String(row.pipeline),
    project: String(row.project),
    branch: String(row.branch),
    change: Number(row.change),
    patchset: Number(row.patchset),
    state: String(row.state),
    ended: row.ended === 1,
    jobsPending: row.jobs_pending === 1,
    outcome: textOrNull(row.outcome),
    openedAt: Number(row.opened_at),
    updatedAt: Number(row.updated_at),
  };
}

export function reviewValues(review: ReviewView): readonly unknown[] {
  return [
    review.id,
    review.pipeline,
    review.project,
    review.branch,
    review.change,
    review.patchset,
    review.state,
    review.ended ? 1 : 0,
    review.jobsPending ? 1 : 0,
    review.outcome,
    review.openedAt,
    review.updatedAt,
  ];
}

/** The values of a start by an event; null for a start by an operator. */
export function startValues({ history, data }: LogRow): readonly unknown[] | null {
  const { patchset, cause } = data as Extract<ReviewEvent, { type: 'review.opened' }>;
  return cause === undefined ? null : [history, patchset.project, patchset.change, cause.by, cause.at];
}

export function outboxRow(row: SqlRow): OutboxEntry {
  return {
    history: String(row.history),
    key: String(row.key),
    effect: JSON.parse(String(row.effect)) as KeyedEffect,
    seq: Number(row.seq),
    requestedAt: Number(row.requested_at),
  };
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}
