/** One row of `gerrit query --comments --current-patch-set` as a change's past: pure, and never refused for what a stranger wrote. */
import { z } from 'zod';
import type { ChangePast, PastComment, PastEntry } from '../../../engine/ports/event-source.ts';
import type { Account, GerritEvent } from '../../../machines/model/gerrit-event.ts';
import * as shapes from '../json-schemas.ts';
import { type Message, readMessages, type Said } from './messages.ts';

const MESSAGE_LIMIT = 65_536;
const STATUS_LIMIT = 20;
const NAME_LIMIT = 256;
/** What Gerrit calls the file of a comment that is on none: people's replies on its web page are such comments. */
export const PATCHSET_LEVEL = '/PATCHSET_LEVEL';
const NOBODY: Account = { username: '', name: '', email: '' };

const shortText = z
  .unknown()
  .optional()
  .transform((value) => shapes.oneLine(value, NAME_LIMIT));

const message = z.object({
  timestamp: shapes.time,
  reviewer: shapes.account,
  message: shapes.text(MESSAGE_LIMIT),
  /** Only REST tells these. */
  id: shortText,
  tag: shortText,
});

const comment = z.object({
  file: z.literal(PATCHSET_LEVEL),
  reviewer: shapes.account,
  message: shapes.text(MESSAGE_LIMIT),
  /** Only REST tells it. */
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

/** Null for a row that is no change, or none that we can name safely. */
export function pastOf(json: unknown): ChangePast | null {
  const { success, data } = row.safeParse(json);
  if (!success) return null;
  try {
    return toPast(data);
  } catch (error) {
    if (error instanceof shapes.Misfit) return null;
    throw error;
  }
}

function toPast(raw: z.infer<typeof row>): ChangePast {
  const { currentPatchSet: set, status, wip } = raw;
  const patchset = shapes.toPatchset(raw, set);
  const told = readMessages(messagesOf(raw.comments ?? []));
  const about = {
    patchset,
    wip,
    private: raw.private,
    uploader: set.uploader,
    author: set.author,
    hashtags: raw.hashtags,
  };
  const isOpen = status !== 'ABANDONED' && status !== 'MERGED';
  return {
    project: patchset.project,
    change: patchset.change,
    updatedAt: raw.lastUpdated,
    entries: told.said.map((said) => entryOf(said, about, isOpen)),
    comments: commentsOf(set.comments ?? [], patchset.patchset),
    patchset: isOpen
      ? {
          at: set.createdOn,
          event: { type: 'patchset-created', ...about, at: set.createdOn, by: set.uploader, kind: set.kind },
        }
      : null,
    ready:
      isOpen && !wip && !raw.private
        ? {
            saidAt: told.ready?.at ?? null,
            event: {
              type: 'change-ready',
              ...about,
              at: told.ready?.at ?? raw.lastUpdated,
              by: told.ready?.by ?? raw.owner,
            },
          }
        : null,
    closed: isOpen
      ? null
      : {
          type: status === 'MERGED' ? 'change-merged' : 'change-abandoned',
          project: patchset.project,
          change: patchset.change,
          at: told.closed?.at ?? raw.lastUpdated,
          by: told.closed?.by ?? NOBODY,
        },
  };
}

type About = Omit<Extract<GerritEvent, { type: 'change-restored' }>, 'type' | 'at' | 'by'>;

function entryOf(said: Said, about: About, isOpen: boolean): PastEntry {
  const { kind, text, approvals: votes, patchset } = said;
  const { at, by, id, tag } = said.message;
  const tagged = tag === '' ? {} : { tag };
  const dead = said.moot || !isOpen || (kind === 'comment' && patchset !== about.patchset.patchset);
  const event =
    kind === 'comment'
      ? ({ type: 'comment-added', ...about, at, by, comment: text, approvals: votes, ...tagged } as const)
      : ({ type: 'change-restored', ...about, at, by } as const);
  const known = id === '' ? {} : { id };
  return { kind, at, patchset, by, text, votes, ...known, event: dead ? null : event };
}

/** Comments on files start nothing. */
function commentsOf(comments: readonly unknown[], patchset: number): readonly PastComment[] {
  return comments.flatMap((one) => {
    const { success, data } = comment.safeParse(one);
    if (!success) return [];
    const { reviewer, timestamp, message: text } = data;
    return [{ by: reviewer, patchset, at: timestamp === 0 ? null : timestamp, text }];
  });
}

/** One that can not be read says nothing; it must not hide the others. */
function messagesOf(comments: readonly unknown[]): readonly Message[] {
  return comments.flatMap((comment) => {
    const { success, data } = message.safeParse(comment);
    if (!success) return [];
    const { timestamp, reviewer, message: text, id, tag } = data;
    return [{ at: timestamp, by: reviewer, text, id, tag }];
  });
}
