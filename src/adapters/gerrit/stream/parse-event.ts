/**
 * One line of Gerrit's stream as one GerritEvent, or as a rejection that says why. It never throws, whatever the
 * line holds: a bad line is counted and sampled, and the stream goes on.
 */
import { z } from 'zod';
import type { Rejection } from '../../../engine/ports/event-source.ts';
import type { Account, GerritEvent } from '../../../machines/model/gerrit-event.ts';
import * as shapes from '../json-schemas.ts';

export type ParsedLine = { readonly event: GerritEvent } | { readonly rejected: Rejection };

const SAMPLE_LIMIT = 200;
const COMMENT_LIMIT = 65_536;
const APPROVALS_LIMIT = 200;
const LABEL_LIMIT = 100;
const NOBODY: Account = { username: '', name: '', email: '' };

export function parseEvent(line: Buffer | string): ParsedLine {
  // Bytes that are no UTF-8 become U+FFFD, which no name may hold, and which does no harm in a text.
  const text = typeof line === 'string' ? line : line.toString('utf8');
  try {
    return { event: toEvent(JSON.parse(text)) };
  } catch (error) {
    return { rejected: { reason: reasonOf(error), sample: sampleOf(text) } };
  }
}

/** The beginning of a line, printable. */
export function sampleOf(text: string): string {
  return shapes.oneLine(text, SAMPLE_LIMIT);
}

class Rejected extends Error {
  override readonly name = 'Rejected';
}

const head = z.object({
  eventCreatedOn: shapes.time,
  project: shapes.project.optional().catch(undefined),
  refName: shapes.branch.optional().catch(undefined),
});

const onPatchset = head.extend({
  change: shapes.change,
  patchSet: shapes.patchSet,
});
const onCreation = onPatchset.extend({ uploader: shapes.account });
const onMove = onPatchset.extend({ changer: shapes.account });
const onRestoring = onPatchset.extend({ restorer: shapes.account });

const onChange = head.extend({
  change: z.object({
    project: shapes.project.optional(),
    number: shapes.positive,
    wip: shapes.flag,
    private: shapes.flag,
  }),
});
const onAbandoning = onChange.extend({ abandoner: shapes.account });
const onMerge = onChange.extend({ submitter: shapes.account });
const onDeletion = onChange.extend({ deleter: shapes.account });

const approval = z
  .object({
    type: z.string().max(LABEL_LIMIT).optional(),
    description: z.string().max(LABEL_LIMIT).optional(),
    value: shapes.vote,
    oldValue: shapes.vote,
  })
  .transform((raw) => ({
    label: shapes.oneLine(raw.type ?? raw.description, LABEL_LIMIT),
    value: raw.value ?? 0,
    oldValue: raw.oldValue,
  }));

type PlainVote = z.output<typeof approval>;

const onComment = onPatchset.extend({
  author: shapes.account,
  comment: shapes.text(COMMENT_LIMIT),
  approvals: z.array(approval).max(APPROVALS_LIMIT).nullish(),
});

function toEvent(json: unknown): GerritEvent {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Rejected('not-an-object');
  const { type } = json as { readonly type?: unknown };
  if (typeof type !== 'string') throw new Rejected('no-type');
  if (NEED_PATCHSET.has(type) && (json as Unread).patchSet === undefined) return withoutPatchset(type, json);
  switch (type) {
    case 'patchset-created': {
      const raw = plainCreation(json) ?? checked(type, onCreation, json);
      const by = named(raw.uploader) ? raw.uploader : raw.patchSet.uploader;
      return { type, ...about(type, raw, by), uploader: by, kind: raw.patchSet.kind };
    }
    case 'comment-added': {
      const raw = plainComment(json) ?? checked(type, onComment, json);
      return { type, ...about(type, raw, raw.author), comment: raw.comment, approvals: raw.approvals ?? [] };
    }
    case 'wip-state-changed':
    case 'private-state-changed': {
      const raw = checked(type, onMove, json);
      if (isHiding(type, raw.change)) return { type: 'other', name: type };
      return { type: 'change-ready', ...about(type, raw, raw.changer) };
    }
    case 'change-restored': {
      const raw = checked(type, onRestoring, json);
      return { type, ...about(type, raw, raw.restorer) };
    }
    case 'change-abandoned': {
      const raw = checked(type, onAbandoning, json);
      return { type, ...aboutChange(type, raw, raw.abandoner) };
    }
    case 'change-merged': {
      const raw = checked(type, onMerge, json);
      return { type, ...aboutChange(type, raw, raw.submitter) };
    }
    case 'change-deleted': {
      const raw = checked(type, onDeletion, json);
      return { type, ...aboutChange(type, raw, raw.deleter) };
    }
    case 'dropped-output':
      return { type };
    default:
      return { type: 'other', name: nameOf(type) };
  }
}

/** Types that are acted on by what their patchset says. */
const NEED_PATCHSET: ReadonlySet<string> = new Set([
  'patchset-created',
  'comment-added',
  'wip-state-changed',
  'private-state-changed',
  'change-restored',
]);

/** Some versions and sites leave the patchset out. What the event would have started is found by looking the change up. */
function withoutPatchset(type: string, json: object): GerritEvent {
  const raw = checked(type, onChange, json);
  if (isHiding(type, raw.change)) return { type: 'other', name: type };
  return { type: 'change-incomplete', name: type, ...aboutChange(type, raw, NOBODY) };
}

/** Nothing is to be done when a change is hidden: what was started may end. */
function isHiding(type: string, change: { readonly wip: boolean; readonly private: boolean }): boolean {
  if (type === 'wip-state-changed') return change.wip;
  return type === 'private-state-changed' && change.private;
}

type Unread = Readonly<Record<string, unknown>>;

/** The two events that most of a stream is made of, read without their schemas; null for what is not plain. */
function plainCreation(json: object): z.infer<typeof onCreation> | null {
  const parts = plainParts(json);
  return parts === null ? null : { ...parts, uploader: shapes.accountOf((json as Unread).uploader) };
}

function plainComment(json: object): z.infer<typeof onComment> | null {
  const { author, comment, approvals } = json as Unread;
  const parts = plainParts(json);
  const votes = parts === null ? null : plainVotes(approvals);
  if (parts === null || votes === null) return null;
  return {
    ...parts,
    author: shapes.accountOf(author),
    comment: shapes.textOf(comment, COMMENT_LIMIT),
    approvals: votes,
  };
}

/** Project and branch are the change's own, so those around it are not needed. */
function plainParts(json: object): z.infer<typeof onPatchset> | null {
  const { change, patchSet, eventCreatedOn } = json as Unread;
  const [of, set] = [shapes.plainChange(change), shapes.plainPatchSet(patchSet)];
  if (of === null || set === null) return null;
  return {
    change: of,
    patchSet: set,
    eventCreatedOn: shapes.timeOf(eventCreatedOn),
    project: undefined,
    refName: undefined,
  };
}

/** Null for what is not plain. */
function plainVotes(value: unknown): PlainVote[] | null {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > APPROVALS_LIMIT) return null;
  const votes: PlainVote[] = [];
  for (const one of value) {
    if (typeof one !== 'object' || one === null) return null;
    const { type, description = '', value: now, oldValue: before } = one as Unread;
    if (typeof type !== 'string' || type.length > LABEL_LIMIT) return null;
    if (typeof description !== 'string' || description.length > LABEL_LIMIT) return null;
    const [cast, old] = [shapes.plainVote(now), shapes.plainVote(before)];
    if (cast === undefined || old === undefined) return null;
    votes.push({ label: shapes.oneLine(type, LABEL_LIMIT), value: cast ?? 0, oldValue: old });
  }
  return votes;
}

function checked<T>(type: string, schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  // The path holds our own field names; the place in a list is left out, so that few reasons are counted.
  const path = result.error.issues[0]?.path.filter((part) => typeof part === 'string').join('.');
  throw new Rejected(`${type} ${path ?? ''}`.trim());
}

function about(type: string, raw: z.infer<typeof onPatchset>, by: Account) {
  try {
    return {
      at: raw.eventCreatedOn,
      patchset: shapes.toPatchset(raw.change, raw.patchSet, { project: raw.project, branch: raw.refName }),
      wip: raw.change.wip,
      private: raw.change.private,
      by,
      uploader: raw.patchSet.uploader,
      author: raw.patchSet.author,
      hashtags: raw.change.hashtags,
    };
  } catch (error) {
    if (error instanceof shapes.Misfit) throw new Rejected(`${type} ${error.message}`);
    throw error;
  }
}

function aboutChange(type: string, raw: z.infer<typeof onChange>, by: Account) {
  const project = raw.change.project ?? raw.project;
  if (project === undefined) throw new Rejected(`${type} change.project`);
  return { at: raw.eventCreatedOn, project, change: raw.change.number, by };
}

function named(account: Account): boolean {
  return account.username !== '' || account.name !== '' || account.email !== '';
}

/** A counter's name: what does not look like one of Gerrit's is not spelt out. */
function nameOf(type: string): string {
  return /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(type) ? type : 'unnamed';
}

function reasonOf(error: unknown): string {
  if (error instanceof Rejected) return error.message;
  return error instanceof SyntaxError ? 'not-json' : 'unreadable';
}
