/**
 * The cireporter scoreboard, which counts how many times each job of a CI succeeds and when it last did. It parses every
 * line that begins with a dash or a star as a job, and splits it at white space. A line with too few words, or a name
 * that is a URL, breaks the report of the whole account.
 */

import type { GerritMessage, Reading, ShownJob } from './parsed-comment.ts';
import { linesOf } from './python-lines.ts';

/**
 * The verdict is the fifth word: mark, name, link, colon, verdict. On a line that contains `in`, SUCCESS or FAILURE needs
 * another word after it.
 */
const VERDICT = 4;

export function readCireporter({ text }: GerritMessage): Reading | null {
  const jobs: ShownJob[] = [];
  for (const line of linesOf(text)) {
    if (!/^[-*] /.test(line)) continue;
    const words = line.trim().split(/\s+/u);
    const [, name, link, , verdict] = words;
    if (name === undefined || link === undefined || verdict === undefined) return null;
    if (/(?:http|ftp):\/\//.test(name)) return null;
    const counted = verdict === 'SUCCESS' || verdict === 'FAILURE';
    if (counted && line.includes('in') && words.length === VERDICT + 1) return null;
    jobs.push({ name, verdict, link });
  }
  return { status: null, pipeline: null, jobs };
}
