/**
 * The older script for the review page (hideci). It works on Gerrit's rendered HTML: a paragraph with a line that
 * begins with a dash or a star is a list, and an item of the form `NAME LINK : VERDICT` is a result.
 */
import type { GerritMessage, Reading, ShownJob } from './parsed-comment.ts';

const ACCOUNT = /^(?:.* CI|Jenkins)$/;
const PATCH_SET = /^Patch Set \d+:/;
const PIPELINE = /Build \w+ \((\w+) pipeline\)/;
/** What Gerrit renders as a link: a web address up to the first character that cannot belong to one. */
const LINK = /https?:\/\/(?:[\w$.+!*',%;:@=?#/~-]|&(?!lt;|gt;)){2,}/;
const CHANGE_ID = /\bI[0-9a-f]{8,40}\b/;

export function readPageScript({ author, text }: GerritMessage): Reading | null {
  if (!ACCOUNT.test(author) || !PATCH_SET.test(text)) return null;
  const jobs = text.split('\n\n').flatMap(itemsOf).flatMap(jobOf);
  if (jobs.length === 0) return null;
  return { status: null, pipeline: PIPELINE.exec(text)?.[1] ?? null, jobs };
}

/** The items of a paragraph that is rendered as a list. From the first item on, every line is a separate item. */
function itemsOf(paragraph: string): readonly string[] {
  const quoted = /^>/.test(paragraph);
  const preformatted = /^[ \t]/m.test(paragraph);
  if (quoted || preformatted || !/^[-*] /m.test(paragraph)) return [];
  const lines = paragraph.split('\n');
  const first = lines.findIndex((line) => /^[-*]/.test(line));
  return lines.slice(first).map((line) => line.replace(/^[-*]/, '').trim());
}

/** A second link in an item, or a link in the name, hides the item from the script. */
function jobOf(item: string): readonly ShownJob[] {
  const [, name, link, verdict, rest] = /^([^ ]+) ([^ ]+) : ([^ ]+)(.*)$/.exec(item) ?? [];
  if (name === undefined || link === undefined || verdict === undefined || rest === undefined) return [];
  const whole = LINK.exec(escaped(link))?.[0] === escaped(link);
  const another = [name, verdict, rest].some((part) => LINK.test(part) || CHANGE_ID.test(part));
  return whole && !another ? [{ name, verdict, link }] : [];
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
