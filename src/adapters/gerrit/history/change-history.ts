/**
 * Gerrit's own account of what happened, page by page, by whichever road it is asked. Pages are bounded in rows and bytes; a
 * row that is too large by itself is counted and passed over.
 */
import type {
  ChangeHistory,
  ChangeHistoryReader,
  HistoryRequest,
} from '../../../engine/ports/event-source.ts';
import type { FetchPage } from './pages-ssh.ts';
import { historyOf } from './rows.ts';

/** Changes that are asked for by name in one query: Gerrit bounds the terms of one. */
const NAMED_AT_ONCE = 50;
const PROJECTS_LIMIT = 100;
/** Rows of a page that the next one repeats: a change that is deleted meanwhile moves all that follow up by one. */
const PAGE_OVERLAP = 1;

interface Found {
  readonly changes: Map<number, ChangeHistory>;
  unread: number;
}

export class ChangeHistoryQuery implements ChangeHistoryReader {
  readonly #ask: FetchPage;
  readonly #pageRows: number;

  constructor(ask: FetchPage, pageRows: number) {
    this.#ask = ask;
    this.#pageRows = pageRows;
  }

  async read(request: HistoryRequest, signal: AbortSignal) {
    const found: Found = { changes: new Map(), unread: 0 };
    const { since, projects, changes } = request;
    if (since !== null) await this.#readPages(sinceTerms(since, projects), found, signal);
    const missing = changes.filter((change) => !found.changes.has(change));
    for (let from = 0; from < missing.length; from += NAMED_AT_ONCE) {
      const named = missing.slice(from, from + NAMED_AT_ONCE).map((change) => `change:${change}`);
      await this.#readPages(`(${named.join(' OR ')})`, found, signal);
    }
    return { changes: [...found.changes.values()], unread: found.unread };
  }

  async #readPages(terms: string, found: Found, signal: AbortSignal): Promise<void> {
    let rows = this.#pageRows;
    for (let start = 0; ; ) {
      const answer = await this.#ask({ terms, start, rows }, signal);
      if (answer === null && rows > 1) {
        rows = Math.max(1, Math.floor(rows / 4));
        continue;
      }
      for (const row of answer?.rows ?? []) {
        const past = historyOf(row);
        if (past === null) found.unread += 1;
        else found.changes.set(past.change, past);
      }
      if (answer === null) found.unread += 1;
      else if (!answer.more || answer.rows.length === 0) return;
      start += answer === null ? 1 : Math.max(1, answer.rows.length - PAGE_OVERLAP);
    }
  }
}

/** Changes in every state by the time of their newest update, which Gerrit takes as within the second. */
function sinceTerms(since: number, projects: readonly string[]): string {
  const time = new Date(since).toISOString().replace('T', ' ').slice(0, 19);
  // A name that could be read as anything else is not asked for: then all projects are, and the others are passed over.
  const plain = projects.every((name) => /^[A-Za-z0-9*][A-Za-z0-9._/*-]*$/u.test(name));
  const asked = plain && projects.length <= PROJECTS_LIMIT ? projects : [];
  const filter = asked.length === 0 ? '' : ` (${asked.map(projectTerm).join(' OR ')})`;
  return `after:{${time} +0000}${filter}`;
}

/** A name with `*` is asked for by a regular expression; the dots in it match more than they say, which does no harm. */
function projectTerm(name: string): string {
  return name.includes('*') ? `project:^${name.replaceAll('*', '.*')}` : `project:${name}`;
}
