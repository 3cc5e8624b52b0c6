/**
 * The only parser of Gerrit events: lines of the stream, lines of files, and rows that catch-up converts to events. A
 * line yields one GerritEvent or a rejection with a reason; it never throws.
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
const UNKNOWN_ACCOUNT: Account = { username: '', name: '', email: '' };

export function parseEvent(line: Buffer | string): ParsedLine {
  // Invalid UTF-8 becomes U+FFFD, which is refused in names and accepted in other strings.
  const text = typeof line === 'string' ? line : line.toString('utf8');
  try {
    return { event: toEvent(JSON.parse(text)) };
  } catch (error) {
    return { rejected: { reason: reasonOf(error), sample: sampleOf(text) } };
  }
}

/** The beginning of a line, made printable. */
export function sampleOf(text: string): string {
  return shapes.oneLine(text, SAMPLE_LIMIT);
}

/** An event that cannot be read. */
export class Rejected extends Error {
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

const onComment = onPatchset.extend({
  author: shapes.account,
  comment: shapes.text(COMMENT_LIMIT),
  approvals: z.array(approval).max(APPROVALS_LIMIT).nullish(),
});

/** Builds an event of this type from query data in the form of the stream. @throws Rejected */
export function eventAs<T extends GerritEvent['type']>(
  type: T,
  json: Readonly<Record<string, unknown>>,
): Extract<GerritEvent, { type: T }> {
  const event = toEvent(json);
  if (event.type !== type) throw new Rejected(`${String(json.type)} read as ${event.type}`);
  return event as Extract<GerritEvent, { type: T }>;
}

function toEvent(json: unknown): GerritEvent {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Rejected('not-an-object');
  const { type } = json as { readonly type?: unknown };
  if (typeof type !== 'string') throw new Rejected('no-type');
  if (NEED_PATCHSET.has(type) && (json as { readonly patchSet?: unknown }).patchSet === undefined)
    return withoutPatchset(type, json);
  switch (type) {
    case 'patchset-created': {
      const raw = checked(type, onCreation, json);
      const by = named(raw.uploader) ? raw.uploader : raw.patchSet.uploader;
      return { type, ...patchsetFields(type, raw, by), uploader: by, kind: raw.patchSet.kind };
    }
    case 'comment-added': {
      const raw = checked(type, onComment, json);
      return {
        type,
        ...patchsetFields(type, raw, raw.author),
        comment: raw.comment,
        approvals: raw.approvals ?? [],
      };
    }
    case 'wip-state-changed':
    case 'private-state-changed': {
      const raw = checked(type, onMove, json);
      if (isHiding(type, raw.change)) return { type: 'other', name: type };
      return { type: 'change-ready', ...patchsetFields(type, raw, raw.changer) };
    }
    case 'change-restored': {
      const raw = checked(type, onRestoring, json);
      return { type, ...patchsetFields(type, raw, raw.restorer) };
    }
    case 'change-abandoned': {
      const raw = checked(type, onAbandoning, json);
      return { type, ...changeFields(type, raw, raw.abandoner) };
    }
    case 'change-merged': {
      const raw = checked(type, onMerge, json);
      return { type, ...changeFields(type, raw, raw.submitter) };
    }
    case 'change-deleted': {
      const raw = checked(type, onDeletion, json);
      return { type, ...changeFields(type, raw, raw.deleter) };
    }
    case 'dropped-output':
      return { type };
    default:
      return { type: 'other', name: nameOf(type) };
  }
}

/** Types whose handling needs patchset data. */
const NEED_PATCHSET: ReadonlySet<string> = new Set([
  'patchset-created',
  'comment-added',
  'wip-state-changed',
  'private-state-changed',
  'change-restored',
]);

/** Some Gerrit versions and sites omit the patchset. The event then becomes one that looks up the change. */
function withoutPatchset(type: string, json: object): GerritEvent {
  const raw = checked(type, onChange, json);
  if (isHiding(type, raw.change)) return { type: 'other', name: type };
  return { type: 'change-incomplete', name: type, ...changeFields(type, raw, UNKNOWN_ACCOUNT) };
}

/** Hiding a change triggers nothing: running jobs may finish. */
function isHiding(type: string, change: { readonly wip: boolean; readonly private: boolean }): boolean {
  if (type === 'wip-state-changed') return change.wip;
  return type === 'private-state-changed' && change.private;
}

function checked<T>(type: string, schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  // The path holds only our field names. List indexes are omitted, so that there are few distinct reasons.
  const path = result.error.issues[0]?.path.filter((part) => typeof part === 'string').join('.');
  throw new Rejected(`${type} ${path ?? ''}`.trim());
}

function patchsetFields(type: string, raw: z.infer<typeof onPatchset>, by: Account) {
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
    if (error instanceof shapes.SchemaMismatch) throw new Rejected(`${type} ${error.message}`);
    throw error;
  }
}

function changeFields(type: string, raw: z.infer<typeof onChange>, by: Account) {
  const project = raw.change.project ?? raw.project;
  if (project === undefined) throw new Rejected(`${type} change.project`);
  return { at: raw.eventCreatedOn, project, change: raw.change.number, by };
}

function named(account: Account): boolean {
  return account.username !== '' || account.name !== '' || account.email !== '';
}

/** A counter name; a type that does not look like one of Gerrit's is not included literally. */
function nameOf(type: string): string {
  return /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(type) ? type : 'unnamed';
}

function reasonOf(error: unknown): string {
  if (error instanceof Rejected) return error.message;
  return error instanceof SyntaxError ? 'not-json' : 'unreadable';
}
