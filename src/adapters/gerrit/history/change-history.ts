/**
 * Reads the history of changes from Gerrit page by page, over REST or SSH. Pages are bounded in rows and bytes; a row
 * that exceeds the byte limit is counted and skipped.
 */
import type {
  ChangeHistory,
  ChangeHistoryReader,
  HistoryRequest,
} from '../../../engine/ports/event-source.ts';
import type { FetchPage } from './pages-ssh.ts';
import { historyOf } from './rows.ts';

/** Changes named in one query: Gerrit limits the number of terms. */
const NAMED_AT_ONCE = 50;
const PROJECTS_LIMIT = 100;
/** Rows that consecutive pages share: deleting a change in between shifts all following rows up by one. */
const PAGE_OVERLAP = 1;

interface Found {
  readonly changes: Map<number, ChangeHistory>;
  unparsed: number;
}

export class ChangeHistoryQuery implements ChangeHistoryReader {
  readonly #fetchPage: FetchPage;
  readonly #pageRows: number;

  constructor(fetchPage: FetchPage, pageRows: number) {
    this.#fetchPage = fetchPage;
    this.#pageRows = pageRows;
  }

  async read(request: HistoryRequest, signal: AbortSignal) {
    const found: Found = { changes: new Map(), unparsed: 0 };
    const { since, projects, changes, commentsSince } = request;
    const readPages = (terms: string) => this.#readPages(terms, commentsSince, found, signal);
    if (since !== null) await readPages(sinceTerms(since, projects));
    const missing = changes.filter((change) => !found.changes.has(change));
    for (let from = 0; from < missing.length; from += NAMED_AT_ONCE) {
      const named = missing.slice(from, from + NAMED_AT_ONCE).map((change) => `change:${change}`);
      await readPages(`(${named.join(' OR ')})`);
    }
    return { changes: [...found.changes.values()], unparsed: found.unparsed };
  }

  async #readPages(terms: string, commentsSince: number, found: Found, signal: AbortSignal): Promise<void> {
    let rows = this.#pageRows;
    for (let start = 0; ; ) {
      const answer = await this.#fetchPage({ terms, start, rows, commentsSince }, signal);
      if (answer === null && rows > 1) {
        rows = Math.max(1, Math.floor(rows / 4));
        continue;
      }
      for (const row of answer?.rows ?? []) {
        const history = historyOf(row);
        if (history === null) found.unparsed += 1;
        else found.changes.set(history.change, history);
      }
      if (answer === null) found.unparsed += 1;
      else if (!answer.more || answer.rows.length === 0) return;
      start += answer === null ? 1 : Math.max(1, answer.rows.length - PAGE_OVERLAP);
    }
  }
}

/** Changes in any state updated after this time, which Gerrit compares with a precision of one second. */
function sinceTerms(since: number, projects: readonly string[]): string {
  const time = new Date(since).toISOString().replace('T', ' ').slice(0, 19);
  // A project name that needs quoting drops the filter: the query then covers all projects and the caller filters.
  const plain = projects.every((name) => /^[A-Za-z0-9*][A-Za-z0-9._/*-]*$/u.test(name));
  const filtered = plain && projects.length <= PROJECTS_LIMIT ? projects : [];
  const filter = filtered.length === 0 ? '' : ` (${filtered.map(projectTerm).join(' OR ')})`;
  return `after:{${time} +0000}${filter}`;
}

/** A name with `*` becomes a regular expression. Its dots match any character, which only adds rows. */
function projectTerm(name: string): string {
  return name.includes('*') ? `project:^${name.replaceAll('*', '.*')}` : `project:${name}`;
}
