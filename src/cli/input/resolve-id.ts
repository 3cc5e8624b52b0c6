/** Finds the job or history that a person means: by the first characters of its id, a change, or an address. */
import type { JobView, StoreReader } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type ChangeRef, tryParseChange } from './parse-change.ts';

const SHOWN = 10;
/** A patchset has a handful; the newest are enough. */
const MAX_JOBS_OF_CHANGE = 1_000;

/** The length of ids in tables. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/**
 * @param typed the first characters of an id, a change or one patchset of it that has only one job, the address of a
 *   change in Gerrit, or of a page that was published
 * @throws CliError when no job or several jobs match
 */
export function findJob(reader: StoreReader, typed: string): JobView {
  const exact = reader.job(typed);
  if (exact !== null) return exact;
  const change = tryParseChange(typed);
  const jobs = change === null ? jobsWithId(reader, typed) : jobsOf(reader, change);
  const [found] = jobs;
  if (found !== undefined && jobs.length === 1) return found;
  if (found !== undefined) {
    const what = change === null ? 'jobs begin with' : 'jobs belong to';
    throw ambiguous(what, typed, jobs.map(jobLine));
  }
  const hint =
    reader.stored(typed) === null ? 'list them: sos-ci jobs' : `sos-ci history ${plainText(typed)}`;
  if (change === null) throw notFound('job', typed, hint);
  throw new CliError(
    EXIT.usage,
    `change ${plainText(typed)} has no job`,
    'what would start: sos-ci explain CHANGE',
  );
}

/** At least so many characters of an id are in the address of a page. */
const MIN_ID_IN_ADDRESS = 8;

function jobsWithId(reader: StoreReader, typed: string): readonly JobView[] {
  if (typed === '') return [];
  const parts = typed.split(/[/?#]/).filter(({ length }) => length >= MIN_ID_IN_ADDRESS);
  const prefix = typed.includes('/') ? parts.findLast((part) => reader.jobIds(part, 1).length > 0) : typed;
  if (prefix === undefined) return [];
  return reader.jobIds(prefix, SHOWN + 1).flatMap((id) => reader.job(id) ?? []);
}

/** The newest jobs of a change, or of one patchset of it. */
function jobsOf(reader: StoreReader, { change, patchset }: ChangeRef): readonly JobView[] {
  const jobs = reader.jobs({ change, limit: MAX_JOBS_OF_CHANGE });
  return jobs.filter((job) => patchset === null || job.patchset === patchset);
}

function jobLine({ id, change, patchset, name, verdict, state }: JobView): string {
  return `${id}  ${change},${patchset}  ${name}  ${verdict ?? state}`;
}

/** The name of a history in the log, such as `stream` or the id of a job or a review. */
export function findHistory(reader: StoreReader, typed: string): string {
  if (reader.stored(typed) !== null) return typed;
  const found: string[] = [];
  for (const history of reader.histories()) {
    if (history === typed) return history;
    if (typed !== '' && history.startsWith(typed)) found.push(history);
  }
  if (found.length === 1 && found[0] !== undefined) return found[0];
  if (found.length === 0)
    throw notFound('history', typed, 'stream, voting, archive, or an id from: sos-ci jobs');
  throw ambiguous('histories begin with', typed, found);
}

function notFound(what: string, typed: string, hint: string): CliError {
  return new CliError(EXIT.usage, `no ${what} begins with ${plainText(JSON.stringify(typed))}`, hint);
}

/** @param lines one for each match */
function ambiguous(what: string, typed: string, lines: readonly string[]): CliError {
  const shown = lines.slice(0, SHOWN).map((line) => plainText(`  ${line}`));
  const more = lines.length > SHOWN ? ['  …'] : [];
  const list = [...shown, ...more].join('\n');
  return new CliError(
    EXIT.usage,
    `several ${what} ${plainText(JSON.stringify(typed))}:\n${list}`,
    'name one of them by its id',
  );
}
