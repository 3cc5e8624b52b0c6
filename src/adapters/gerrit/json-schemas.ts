/**
 * Schemas for the parts of Gerrit's JSON, in every form that its versions use: numbers as strings, a project as an
 * object, missing fields. Each value is normalized to one bounded form or refused. Used for events and query rows.
 */
import { z } from 'zod';
import type { Patchset } from '../../machines/model/domain.ts';
import type { Account } from '../../machines/model/gerrit-event.ts';

const NUMBER_MAX = 2_147_483_647;
const VOTE_MAX = 1_000;
const NAME_LIMIT = 256;
const TEXT_LIMIT = 1_000;
const URL_LIMIT = 2_000;
const PATH_LIMIT = 512;
const HASHTAGS_LIMIT = 100;
const SECONDS_MAX = 100_000_000_000;

/** A field that may be missing or of any type; its transform normalizes or refuses it. */
const anything = z.unknown().optional();

/**
 * The number of a change or patchset. A single transform, as for `vote`: a union would cost more than the rest of the
 * event.
 */
export const positive = anything.transform((value, context) => {
  const number = typeof value === 'string' && /^[0-9]{1,10}$/.test(value) ? Number(value) : value;
  if (isInteger(number) && number >= 1 && number <= NUMBER_MAX) return number;
  context.addIssue('not a number of a change or patchset');
  return z.NEVER;
});

/** A vote. Null when absent; an empty value is 0. */
export const vote = anything.transform((value, context) => {
  if (value === undefined || value === null) return null;
  const number = typeof value === 'string' && /^(?:[+-]?[0-9]{1,4})?$/.test(value) ? Number(value) : value;
  if (isInteger(number) && Math.abs(number) <= VOTE_MAX) return number;
  context.addIssue('not a vote');
  return z.NEVER;
});

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Seconds since the epoch, converted to ms. 0 when absent or out of range. */
export const time = anything.transform(timeOf);

function timeOf(value: unknown): number {
  const seconds = typeof value === 'string' ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return 0;
  return seconds > 0 && seconds < SECONDS_MAX ? Math.floor(seconds) * 1_000 : 0;
}

/** One line for display: truncated, control characters blanked. '' for anything but a string. */
const line = (limit: number) => anything.transform((value) => oneLine(value, limit));

/** Multi-line text, truncated but otherwise unchanged. */
export const text = (limit: number) => anything.transform((value) => textOf(value, limit));

function textOf(value: unknown, limit: number): string {
  return typeof value === 'string' ? wellFormed(cut(value, limit)) : '';
}

/** Gerrit omits the field when it is false. */
export const flag = anything.transform((value) => value === true);

// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern refuses them.
const PATH = /^(?![-/ ])[^\u0000-\u001f\u007f-\u009f\ufffd\ud800-\udfff]+$/u;
const REVISION = /^[0-9a-f]{40}$/;

/** The name of a project or branch. It goes into argument lists and URL paths, so invalid names are refused. */
function isPath(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= PATH_LIMIT &&
    PATH.test(value) &&
    !/(?:^|\/)\.\.(?:\/|$)/.test(value)
  );
}

export const project = anything.transform((value, context) => {
  const name = typeof value === 'object' && value !== null ? (value as Unchecked).name : value;
  if (isPath(name)) return name;
  context.addIssue('not a project');
  return z.NEVER;
});

/** `master`, even if Gerrit sends `refs/heads/master`. */
export const branch = anything.transform((value, context) => {
  const name = typeof value === 'string' ? value.replace(/^refs\/heads\//, '') : value;
  if (isPath(name)) return name;
  context.addIssue('not a branch');
  return z.NEVER;
});

const revision = z.string().regex(REVISION);

/** Never refused: an unreadable account must not hide the event. */
export const account = anything.transform(accountOf);

function accountOf(value: unknown): Account {
  const { username, name, email } = (typeof value === 'object' && value !== null ? value : {}) as Unchecked;
  return {
    username: oneLine(username, NAME_LIMIT),
    name: oneLine(name, NAME_LIMIT),
    email: oneLine(email, NAME_LIMIT),
  };
}

interface Unchecked {
  readonly username?: unknown;
  readonly name?: unknown;
  readonly email?: unknown;
}

/** Non-string entries are dropped. */
const hashtags = anything.transform(hashtagsOf);

function hashtagsOf(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [])
    .filter((tag) => typeof tag === 'string')
    .slice(0, HASHTAGS_LIMIT)
    .map((tag) => oneLine(tag, NAME_LIMIT));
}

export const change = z.object({
  project: project.optional(),
  branch: branch.optional(),
  number: positive,
  subject: line(TEXT_LIMIT),
  owner: account,
  url: line(URL_LIMIT),
  topic: line(NAME_LIMIT),
  hashtags,
  wip: flag,
  private: flag,
});

export const patchSet = z.object({
  number: positive,
  revision,
  ref: z.string().max(PATH_LIMIT).optional(),
  kind: line(NAME_LIMIT),
  uploader: account,
  author: account,
});

/** A field that could not be read; the message is its name. */
export class SchemaMismatch extends Error {
  override readonly name = 'SchemaMismatch';
}

/** Builds one patchset from the fields that Gerrit spreads over change, patchSet and the event. */
export function toPatchset(
  of: z.infer<typeof change>,
  set: z.infer<typeof patchSet>,
  fallback: { readonly project?: string | undefined; readonly branch?: string | undefined } = {},
): Patchset {
  const name = of.project ?? fallback.project;
  if (name === undefined) throw new SchemaMismatch('change.project');
  const branchName = of.branch ?? fallback.branch;
  if (branchName === undefined) throw new SchemaMismatch('change.branch');
  const ref = `refs/changes/${String(of.number % 100).padStart(2, '0')}/${of.number}/${set.number}`;
  if (set.ref !== undefined && set.ref !== ref) throw new SchemaMismatch('patchSet.ref');
  return {
    project: name,
    branch: branchName,
    change: of.number,
    patchset: set.number,
    revision: set.revision,
    ref,
    subject: of.subject,
    owner: of.owner.username || of.owner.name || of.owner.email,
    url: /^https?:\/\/[^\s]+$/.test(of.url) ? of.url : '',
    topic: of.topic,
  };
}

/** Text that is safe to display and store: bounded, printable, no lone surrogates. */
export function oneLine(value: unknown, limit: number): string {
  if (typeof value !== 'string') return '';
  const short = cut(value, limit);
  return UNPRINTABLE.test(short) ? wellFormed(short).replace(UNPRINTABLES, ' ') : short;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern blanks them.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern blanks them.
const UNPRINTABLES = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

function cut(value: string, limit: number): string {
  return value.length > limit ? value.slice(0, limit) : value;
}

/** Replaces lone surrogates with U+FFFD, as encoding for a database would. */
export function wellFormed(value: string): string {
  return /[\ud800-\udfff]/.test(value) ? Buffer.from(value, 'utf8').toString('utf8') : value;
}
