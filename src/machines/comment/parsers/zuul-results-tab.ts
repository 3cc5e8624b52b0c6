/**
 * Gerrit's results tab (the plugin zuul-results-summary): the table on a change's page. It requires an account whose
 * name contains ` CI`, a line `Build STATUS (PIPELINE pipeline).`, and a line with a link for each job.
 */
import type { GerritMessage, Reading, ShownJob } from './parsed-comment.ts';

const ACCOUNT = /^(?:.* CI|Zuul)/;
const HEAD = /^Build (\w+) \((\w+) pipeline\)\./m;
const PLAIN_HEAD = /^Build (\w+)\./m;
/** Name, link, and the text after the colon. */
const JOB = /^- ([^ ]+) (https?:\/\/[^ ]+|build\/[0-9a-f]+) : (.+)/;
const ERROR = /^ERROR (.*?) in (.*)/;

export function readResultsTab({ author, text }: GerritMessage): Reading | null {
  if (!ACCOUNT.test(author)) return null;
  const head = HEAD.exec(text) ?? PLAIN_HEAD.exec(text);
  if (head === null) return null;
  const [, status = '', pipeline = 'unknown'] = head;
  return { status, pipeline, jobs: text.split('\n').flatMap(jobOf) };
}

function jobOf(line: string): readonly ShownJob[] {
  const [, name, link, rest] = JOB.exec(line) ?? [];
  if (name === undefined || link === undefined || rest === undefined || rest.startsWith(' ')) return [];
  // The reason of an error ends before the first ` in `; without a reason the cell is empty.
  const why = ERROR.exec(rest)?.[1];
  const verdict = why === undefined ? (rest.split(' ')[0] ?? '') : why === '' ? '' : 'ERROR';
  return [{ name, verdict, link }];
}
