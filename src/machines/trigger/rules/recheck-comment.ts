/**
 * What a comment requests. Gerrit puts a header above the text of the author; the text itself must begin with the
 * command, so that a quoted or polite `recheck`, or a CI's own comment, does not count.
 */
import { finds } from './regex.ts';

/** `(2 comments)`: posted with the message, and not part of it. Older versions write `(2 inline comments)`. */
const COUNT = /^\((\d{1,6}) (?:inline )?comments?\)$/u;

/** How many comments were posted with the message but are not part of it: on files, or on the patchset as a whole. */
export function hiddenComments(comment: string): number {
  const [, first = ''] = /^Patch Set \d+:[^\n]*\s*\n([^\n]*)/u.exec(comment) ?? [];
  return Number(COUNT.exec(first.trim())?.[1] ?? 0);
}

/**
 * The author's text, without Gerrit's header (`Patch Set 3: Code-Review+1`, `(2 comments)`) and leading empty lines.
 */
export function written(comment: string): string {
  const [head = '', ...rest] = comment.split('\n');
  const header = /^Patch Set \d+:/u.exec(head)?.[0];
  const lines = header === undefined ? [head, ...rest] : [withoutVotes(head.slice(header.length)), ...rest];
  const first = lines.findIndex((line) => line.trim() !== '' && !COUNT.test(line.trim()));
  return first < 0 ? '' : lines.slice(first).join('\n').trim();
}

/** OpenDev's command for all CIs. Longer words that begin with it do not count. */
export function isRecheck(comment: string): boolean {
  return /^recheck(?![\w-])/iu.test(written(comment));
}

/** `run-NAME`: this CI alone. The words of a name are separated by spaces, dashes or underscores. */
export function isRunCommand(comment: string, names: readonly string[]): boolean {
  const text = written(comment);
  return names.some((name) => {
    const words = name.split(/[\s_-]+/u).filter((word) => word !== '');
    if (words.length === 0) return false;
    const pattern = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&')).join('[\\s_-]+');
    return new RegExp(`^run-${pattern}(?![\\w-])`, 'iu').test(text);
  });
}

/** The first pattern that matches the author's text, or null. */
export function matchingPattern(comment: string, patterns: readonly string[]): string | null {
  if (patterns.length === 0) return null;
  const text = written(comment);
  return patterns.find((pattern) => finds(pattern, text)) ?? null;
}

/** Votes follow in Gerrit's header: ` Code-Review+1 -Verified`. */
function withoutVotes(text: string): string {
  const words = text.split(/\s+/u).filter((word) => word !== '');
  const first = words.findIndex((word) => !VOTE.test(word));
  return first < 0 ? '' : words.slice(first).join(' ');
}

const VOTE = /^(?:-[A-Za-z][\w-]*|[A-Za-z][\w-]*[+-]\d+)$/u;
