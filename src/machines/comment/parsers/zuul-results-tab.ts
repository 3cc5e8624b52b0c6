/**
 * Gerrit's results tab (the plugin zuul-results-summary): the table that developers see on a change's page. It wants an
 * account whose name has ` CI` in it, a line `Build STATUS (PIPELINE pipeline).`, and for each job a line with a link.
 */
import type { GerritMessage, Reading, ShownJob } from './parsed-comment.ts';

const ACCOUNT = /^(?:.* CI|Zuul)/;
const HEAD = /^Build (\w+) \((\w+) pipeline\)\./m;
const PLAIN_HEAD = /^Build (\w+)\./m;
/** Name, link, and all that is said behind the colon. */
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
  const [, name, link, said] = JOB.exec(line) ?? [];
  if (name === undefined || link === undefined || said === undefined || said.startsWith(' ')) return [];
  // An error tells why, up to the first ` in `; without a reason the cell stays empty.
  const why = ERROR.exec(said)?.[1];
  const verdict = why === undefined ? (said.split(' ')[0] ?? '') : why === '' ? '' : 'ERROR';
  return [{ name, verdict, link }];
}
