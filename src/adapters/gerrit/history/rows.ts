/**
 * Converts one row of `gerrit query --comments --current-patch-set` to a change history. Pure; user text never makes it
 * fail.
 */
import { z } from 'zod';
import type { ChangeHistory, HistoryComment, HistoryEntry } from '../../../engine/ports/event-source.ts';
import type { Account, GerritEvent } from '../../../machines/model/gerrit-event.ts';
import * as shapes from '../json-schemas.ts';
import { eventAs, Rejected } from '../stream/parse-event.ts';
import { type Message, type MessageEntry, readMessages } from './messages.ts';

const MESSAGE_LIMIT = 65_536;
const STATUS_LIMIT = 20;
const NAME_LIMIT = 256;
/** Gerrit's file name for comments on no file. Replies in the web UI are such comments. */
export const PATCHSET_LEVEL = '/PATCHSET_LEVEL';
const UNKNOWN_ACCOUNT: Account = { username: '', name: '', email: '' };

const shortText = z
  .unknown()
  .optional()
  .transform((value) => shapes.oneLine(value, NAME_LIMIT));

const message = z.object({
  timestamp: shapes.time,
  reviewer: shapes.account,
  message: shapes.text(MESSAGE_LIMIT),
  /** REST only. */
  id: shortText,
  tag: shortText,
});

const comment = z.object({
  file: z.literal(PATCHSET_LEVEL),
  reviewer: shapes.account,
  message: shapes.text(MESSAGE_LIMIT),
  /** REST only. */
  timestamp: shapes.time,
});

const row = shapes.change.extend({
  status: shapes.text(STATUS_LIMIT),
  lastUpdated: shapes.time,
  comments: z.array(z.unknown()).nullish(),
  currentPatchSet: shapes.patchSet.extend({
    createdOn: shapes.time,
    comments: z.array(z.unknown()).nullish(),
  }),
});

/** Null when the row is not a change, or its names are not safe. */
export function historyOf(json: unknown): ChangeHistory | null {
  const { success, data } = row.safeParse(json);
  if (!success) return null;
  try {
    return toHistory(data, json as RawRow);
  } catch (error) {
    if (error instanceof shapes.SchemaMismatch || error instanceof Rejected) return null;
    throw error;
  }
}

/** Unvalidated; the event parser checks it. */
interface RawRow {
  readonly currentPatchSet: unknown;
}

function toHistory(raw: z.infer<typeof row>, json: RawRow): ChangeHistory {
  const { currentPatchSet: set, status, wip } = raw;
  const patchset = shapes.toPatchset(raw, set);
  const messages = readMessages(messagesOf(raw.comments ?? []));
  const isOpen = status !== 'ABANDONED' && status !== 'MERGED';
  const fields: EventFields = { change: json, patchSet: json.currentPatchSet };
  const readyAt = messages.ready?.at ?? raw.lastUpdated;
  return {
    project: patchset.project,
    change: patchset.change,
    updatedAt: raw.lastUpdated,
    entries: messages.entries.map((entry) => entryOf(entry, fields, isOpen ? patchset.patchset : null)),
    comments: commentsOf(set.comments ?? [], patchset.patchset),
    patchset: isOpen
      ? {
          at: set.createdOn,
          event: eventAs('patchset-created', {
            type: 'patchset-created',
            ...fields,
            ...createdOn(set.createdOn),
          }),
        }
      : null,
    ready:
      isOpen && !wip && !raw.private
        ? {
            readyAt: messages.ready?.at ?? null,
            event: eventAs('change-ready', {
              type: 'wip-state-changed',
              ...fields,
              ...createdOn(readyAt),
              changer: messages.ready?.by ?? raw.owner,
            }),
          }
        : null,
    closed: isOpen ? null : closedOf(status, fields, messages.closed, raw.lastUpdated),
  };
}

/** The fields of an event that identify the patchset. */
interface EventFields {
  readonly change: unknown;
  readonly patchSet: unknown;
}

/** Gerrit's events have a precision of one second. */
function createdOn(at: number): { readonly eventCreatedOn: number } {
  return { eventCreatedOn: at / 1_000 };
}

function closedOf(
  status: string,
  fields: EventFields,
  message: Message | null,
  updatedAt: number,
): NonNullable<ChangeHistory['closed']> {
  const by = message?.by ?? UNKNOWN_ACCOUNT;
  const at = createdOn(message?.at ?? updatedAt);
  return status === 'MERGED'
    ? eventAs('change-merged', { type: 'change-merged', ...fields, ...at, submitter: by })
    : eventAs('change-abandoned', { type: 'change-abandoned', ...fields, ...at, abandoner: by });
}

/** @param current number of the patchset that can be acted on; null when the change is closed */
function entryOf(entry: MessageEntry, fields: EventFields, current: number | null): HistoryEntry {
  const { kind, text, approvals: votes, patchset } = entry;
  const { at, by, id } = entry.message;
  const isIgnored = entry.moot || current === null || (kind === 'comment' && patchset !== current);
  const known = id === '' ? {} : { id };
  return { kind, at, patchset, by, text, votes, ...known, event: isIgnored ? null : eventOf(entry, fields) };
}

function eventOf(
  { kind, text, approvals, message: { at, by, tag } }: MessageEntry,
  fields: EventFields,
): GerritEvent {
  const base = { ...fields, ...createdOn(at) };
  if (kind === 'restored') {
    return eventAs('change-restored', { type: 'change-restored', ...base, restorer: by });
  }
  const votes = approvals.map(({ label, ...values }) => ({ type: label, ...values }));
  const json = { type: 'comment-added', ...base, author: by, comment: text, approvals: votes };
  const event = eventAs('comment-added', json);
  return tag === '' ? event : { ...event, tag };
}

/** Only patchset-level comments: comments on files trigger nothing. */
function commentsOf(comments: readonly unknown[], patchset: number): readonly HistoryComment[] {
  return comments.flatMap((json) => {
    const { success, data } = comment.safeParse(json);
    if (!success) return [];
    const { reviewer, timestamp, message: text } = data;
    return [{ by: reviewer, patchset, at: timestamp === 0 ? null : timestamp, text }];
  });
}

/** Skips unreadable messages, so that they do not hide the others. */
function messagesOf(comments: readonly unknown[]): readonly Message[] {
  return comments.flatMap((comment) => {
    const { success, data } = message.safeParse(comment);
    if (!success) return [];
    const { timestamp, reviewer, message: text, id, tag } = data;
    return [{ at: timestamp, by: reviewer, text, id, tag }];
  });
}
