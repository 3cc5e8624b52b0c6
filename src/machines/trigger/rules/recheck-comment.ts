/**
 * What a comment asks for. Gerrit puts a header above what people write; what they wrote must begin with the words that count, so
 * that a quoted or polite `recheck` is none, and a CI's own comment never is one.
 */
import { finds } from './regex.ts';

/** `(2 comments)`: posted with the message, and not shown in it. Older versions write `(2 inline comments)`. */
const COUNT = /^\((\d{1,6}) (?:inline )?comments?\)$/u;

/** How many comments were posted with it whose words it does not show: on files, or on the patchset as a whole. */
export function hiddenComments(comment: string): number {
  const [, first = ''] = /^Patch Set \d+:[^\n]*\s*\n([^\n]*)/u.exec(comment) ?? [];
  return Number(COUNT.exec(first.trim())?.[1] ?? 0);
}

/** What somebody wrote, without Gerrit's header (`Patch Set 3: Code-Review+1`, `(2 comments)`) and the empty lines above it. */
export function written(comment: string): string {
  const [head = '', ...rest] = comment.split('\n');
  const header = /^Patch Set \d+:/u.exec(head)?.[0];
  const lines = header === undefined ? [head, ...rest] : [withoutVotes(head.slice(header.length)), ...rest];
  const first = lines.findIndex((line) => line.trim() !== '' && !COUNT.test(line.trim()));
  return first < 0 ? '' : lines.slice(first).join('\n').trim();
}

/** OpenDev's rule, for every CI at once. A word that only begins so does not count. */
export function isRecheck(comment: string): boolean {
  return /^recheck(?![\w-])/iu.test(written(comment));
}

/** `run-NAME`: this CI alone. Between the words of a name stand spaces, dashes or underscores. */
export function isRun(comment: string, names: readonly string[]): boolean {
  const text = written(comment);
  return names.some((name) => {
    const words = name.split(/[\s_-]+/u).filter((word) => word !== '');
    if (words.length === 0) return false;
    const pattern = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&')).join('[\\s_-]+');
    return new RegExp(`^run-${pattern}(?![\\w-])`, 'iu').test(text);
  });
}

/** The first of the patterns that is found in what somebody wrote, or null. */
export function asksBy(comment: string, patterns: readonly string[]): string | null {
  if (patterns.length === 0) return null;
  const text = written(comment);
  return patterns.find((pattern) => finds(pattern, text)) ?? null;
}

/** Gerrit's header goes on with the votes: ` Code-Review+1 -Verified`. */
function withoutVotes(text: string): string {
  const words = text.split(/\s+/u).filter((word) => word !== '');
  const first = words.findIndex((word) => !VOTE.test(word));
  return first < 0 ? '' : words.slice(first).join(' ');
}

const VOTE = /^(?:-[A-Za-z][\w-]*|[A-Za-z][\w-]*[+-]\d+)$/u;
