/** Finds the job or history whose id starts with the given characters. */
import type { JobView, StoreReader } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';

const SHOWN = 10;

/** The length of ids in tables. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** @throws CliError when no job or several jobs match */
export function findJob(reader: StoreReader, typed: string): JobView {
  const exact = reader.job(typed);
  if (exact !== null) return exact;
  const ids = typed === '' ? [] : reader.jobIds(typed, SHOWN + 1);
  const only = ids.length === 1 && ids[0] !== undefined ? reader.job(ids[0]) : null;
  if (only !== null) return only;
  if (ids.length === 0) {
    const hint =
      reader.stored(typed) === null ? 'list them: sos-ci jobs' : `sos-ci history ${plainText(typed)}`;
    throw notFound('job', typed, hint);
  }
  throw ambiguous('jobs', typed, ids, (id) => {
    const job = reader.job(id);
    return job === null ? '' : `  ${job.change},${job.patchset}  ${job.name}  ${job.verdict ?? job.state}`;
  });
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
  throw ambiguous('histories', typed, found, () => '');
}

function notFound(what: string, typed: string, hint: string): CliError {
  return new CliError(EXIT.usage, `no ${what} begins with ${plainText(JSON.stringify(typed))}`, hint);
}

function ambiguous(
  what: string,
  typed: string,
  ids: readonly string[],
  about: (id: string) => string,
): CliError {
  const shown = ids.slice(0, SHOWN).map((id) => plainText(`  ${id}${about(id)}`));
  const more = ids.length > SHOWN ? ['  …'] : [];
  const list = [...shown, ...more].join('\n');
  return new CliError(
    EXIT.usage,
    `several ${what} begin with ${plainText(JSON.stringify(typed))}:\n${list}`,
    'type more characters',
  );
}
