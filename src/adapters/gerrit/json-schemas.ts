/**
 * The pieces that Gerrit's JSON is made of, in all the shapes that its versions give them: numbers as strings, a
 * project as an object, fields that are missing. Each is brought to one bounded shape or refused. Used for events
 * and for the rows of a query.
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

/** A field that may be missing or of any kind, and is brought into shape rather than refused. */
const anything = z.unknown().optional();

/** A change's or patchset's number. Written as one step, as `vote` is: unions cost more than all the rest of an event. */
export const positive = anything.transform((value, context) => {
  const number = typeof value === 'string' && /^[0-9]{1,10}$/.test(value) ? Number(value) : value;
  if (isInteger(number) && number >= 1 && number <= NUMBER_MAX) return number;
  context.addIssue('not a number of a change or patchset');
  return z.NEVER;
});

/** A vote. Null when there is none; what is empty is 0. */
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

/** Seconds since the epoch as ms; 0 when absent or absurd, since nothing is decided by it. */
export const time = anything.transform(timeOf);

function timeOf(value: unknown): number {
  const seconds = typeof value === 'string' ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return 0;
  return seconds > 0 && seconds < SECONDS_MAX ? Math.floor(seconds) * 1_000 : 0;
}

/** One line for people: cut, control characters blanked. Anything but a string is ''. */
const line = (limit: number) => anything.transform((value) => oneLine(value, limit));

/** Many lines, kept as they are but cut. */
export const text = (limit: number) => anything.transform((value) => textOf(value, limit));

function textOf(value: unknown, limit: number): string {
  return typeof value === 'string' ? wellFormed(cut(value, limit)) : '';
}

/** True only for true: Gerrit leaves the field out otherwise. */
export const flag = anything.transform((value) => value === true);

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
const PATH = /^(?![-/ ])[^\u0000-\u001f\u007f-\u009f\ufffd\ud800-\udfff]+$/u;
const REVISION = /^[0-9a-f]{40}$/;

/** A project's or branch's name goes into argument lists and paths of URLs: what cannot be a name is refused. */
const path = z
  .string()
  .min(1)
  .max(PATH_LIMIT)
  .regex(PATH)
  .refine((value) => !value.split('/').includes('..'));

export const project = z.union([path, z.object({ name: path }).transform(({ name }) => name)]);

/** `master`, also when it comes as `refs/heads/master`. */
export const branch = z
  .string()
  .transform((value) => value.replace(/^refs\/heads\//, ''))
  .pipe(path);

const revision = z.string().regex(REVISION);

/** Never refused: who did something must not hide what was done. */
export const account = anything.transform(accountOf);

function accountOf(value: unknown): Account {
  const { username, name, email } = (typeof value === 'object' && value !== null ? value : {}) as Unread;
  return {
    username: oneLine(username, NAME_LIMIT),
    name: oneLine(name, NAME_LIMIT),
    email: oneLine(email, NAME_LIMIT),
  };
}

interface Unread {
  readonly username?: unknown;
  readonly name?: unknown;
  readonly email?: unknown;
}

/** What is no text is left out. */
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

/** What could not be put together, by the name of the field. */
export class SchemaMismatch extends Error {
  override readonly name = 'SchemaMismatch';
}

/** One patchset out of what Gerrit spreads over change, patchSet and the event itself. */
export function toPatchset(
  of: z.infer<typeof change>,
  set: z.infer<typeof patchSet>,
  around: { readonly project?: string | undefined; readonly branch?: string | undefined } = {},
): Patchset {
  const name = of.project ?? around.project;
  if (name === undefined) throw new SchemaMismatch('change.project');
  const onto = of.branch ?? around.branch;
  if (onto === undefined) throw new SchemaMismatch('change.branch');
  const ref = `refs/changes/${String(of.number % 100).padStart(2, '0')}/${of.number}/${set.number}`;
  if (set.ref !== undefined && set.ref !== ref) throw new SchemaMismatch('patchSet.ref');
  return {
    project: name,
    branch: onto,
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

/** Text that may be shown and stored: bounded, printable, no half characters. */
export function oneLine(value: unknown, limit: number): string {
  if (typeof value !== 'string') return '';
  const short = cut(value, limit);
  return UNPRINTABLE.test(short) ? wellFormed(short).replace(UNPRINTABLES, ' ') : short;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is blanked.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is blanked.
const UNPRINTABLES = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

function cut(value: string, limit: number): string {
  return value.length > limit ? value.slice(0, limit) : value;
}

/** Halves of characters become U+FFFD, as they would on their way into a database. */
export function wellFormed(value: string): string {
  return /[\ud800-\udfff]/.test(value) ? Buffer.from(value, 'utf8').toString('utf8') : value;
}
