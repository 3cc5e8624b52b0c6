/**
 * Gerrit's own account of what happened, by `gerrit query`, on the connection that the stream runs on: no second one is
 * made for it, and it is there exactly while events come. Pages are bounded in rows and bytes; a row that is too large by
 * itself is counted and passed over.
 */
import type { ChangePast, GerritHistory, PastRequest } from '../../engine/intake-port.ts';
import type { Clock } from '../../engine/ports.ts';
import { OperationError } from '../../errors.ts';
import { AnswerTooLong } from './command.ts';
import type { GerritConnection, GerritOptions } from './connection.ts';
import { pastOf } from './past-rows.ts';
import { type Answer, queryRows } from './query.ts';

/** Changes that are asked for by name in one query: Gerrit bounds the terms of one. */
const NAMED_AT_ONCE = 50;
const PROJECTS_LIMIT = 100;
/** Rows of a page that the next one repeats: a change that is deleted meanwhile moves all that follow up by one. */
const PAGE_OVERLAP = 1;

interface Found {
  readonly changes: Map<number, ChangePast>;
  unread: number;
}

export class GerritPast implements GerritHistory {
  readonly #options: GerritOptions;
  readonly #clock: Clock;
  readonly #connection: () => GerritConnection | null;
  readonly #pageRows: number;

  /** @param connection the stream's own, null while there is none */
  constructor(
    options: GerritOptions,
    clock: Clock,
    connection: () => GerritConnection | null,
    pageRows: number,
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#connection = connection;
    this.#pageRows = pageRows;
  }

  async read(request: PastRequest, signal: AbortSignal) {
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
      const answer = await this.#page(terms, start, rows, signal);
      if (answer === null && rows > 1) {
        rows = Math.max(1, Math.floor(rows / 4));
        continue;
      }
      for (const row of answer?.rows ?? []) {
        const past = pastOf(row);
        if (past === null) found.unread += 1;
        else found.changes.set(past.change, past);
      }
      if (answer === null) found.unread += 1;
      else if (!answer.more || answer.rows.length === 0) return;
      start += answer === null ? 1 : Math.max(1, answer.rows.length - PAGE_OVERLAP);
    }
  }

  /** Null: it is longer than anybody believes. */
  async #page(terms: string, start: number, rows: number, signal: AbortSignal): Promise<Answer | null> {
    const connection = this.#connection();
    if (connection === null) throw this.#notConnected();
    const target = `changes on ${this.#options.host}`;
    const parts = ['--comments', '--current-patch-set'] as const;
    const question = { target, terms: `${terms} limit:${rows}`, parts, start };
    try {
      return await queryRows(connection, this.#options, this.#clock, question, signal);
    } catch (error) {
      if (error instanceof OperationError && error.cause instanceof AnswerTooLong) return null;
      throw error;
    }
  }

  #notConnected(): OperationError {
    return new OperationError({
      operation: 'query changes',
      target: `${this.#options.host}:${this.#options.port}`,
      message: 'there is no connection to ask on',
      retryable: true,
      hint: 'it is asked as soon as there is one',
    });
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
