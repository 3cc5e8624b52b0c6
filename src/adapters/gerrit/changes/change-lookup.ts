/**
 * How a change is now, asked of Gerrit over the shared connection: one question for the change itself, and one more for
 * each step of the way along what it depends on. Gerrit's stream can be ahead of its index, so what is not there is an
 * error that goes away, until it has been missed for long enough.
 */
import type { Changes, Clock, EffectOf } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import type { Patchset, ResolvedChange } from '../../../machines/model/domain.ts';
import type { SshClient } from '../../ssh/client/client.ts';
import { printed } from '../reviews/transport.ts';
import { type QueryPart, queryRows } from '../transport/query.ts';
import type { SharedConnection } from '../transport/shared-connection.ts';
import type { GerritOptions } from '../transport/ssh-connection.ts';
import { searchDependencies } from './dependency-search.ts';
import { pagesOf } from './depends-on.ts';
import { Patience } from './index-lag.ts';
import { filesOf, readSeenRow, type SeenRow, statusOf, votesOf } from './query-row.ts';

const MISSING: ResolvedChange = {
  status: 'missing',
  current: 0,
  wip: false,
  private: false,
  files: null,
  votes: [],
  dependencies: [],
  trouble: null,
};

const NEEDED: readonly QueryPart[] = ['--current-patch-set', '--commit-message', '--dependencies'];

/**
 * How long a dependency may be missing. It was pushed before the change that names it, and Gerrit indexes a push before
 * that push returns, so only the replication of an index can be late: seconds. The developer waits for the refusal.
 * Attempts follow at 0.25, 0.75, 1.75 and 3.75 s by default, so the refusal comes after 4 s.
 */
const DEPENDENCY_DELAY_MS = 3_000;

type LookUp = EffectOf<'lookUpChange'>;
type CurrentSet = NonNullable<SeenRow['currentPatchSet']>;

export class GerritChanges implements Changes {
  readonly #options: GerritOptions;
  readonly #shared: SharedConnection;
  readonly #patience: Patience;
  readonly #dependencyPatience: Patience;

  constructor(options: GerritOptions, clock: Clock, shared: SharedConnection) {
    this.#options = options;
    this.#shared = shared;
    this.#patience = new Patience(clock, options.indexDelayMs);
    this.#dependencyPatience = new Patience(clock, Math.min(options.indexDelayMs, DEPENDENCY_DELAY_MS));
  }

  lookUp(request: LookUp, signal: AbortSignal): Promise<ResolvedChange> {
    return this.#shared.ask(signal, (connection) => this.#lookUp(connection, request, signal));
  }

  async #lookUp(connection: SshClient, request: LookUp, signal: AbortSignal): Promise<ResolvedChange> {
    const { patchset, dependencyLimit } = request;
    const ask = (terms: readonly string[], parts: readonly QueryPart[]) =>
      this.#ask(connection, `change ${printed(patchset)}`, terms, parts, signal);
    const rows = await ask([`change:${patchset.change}`], [...NEEDED, '--files']);
    const row = rows.find(({ number }) => number === patchset.change);
    if (row === undefined) return this.#missing(patchset);
    const current = currentOf(row, patchset);
    if (current === null) throw notYet(patchset, this.#options.host);
    this.#patience.found(printed(patchset));
    const status = statusOf(row);
    const seen = {
      status,
      current: current.number,
      ...(row.branch === undefined ? {} : { branch: row.branch }),
      wip: row.wip,
      private: row.private,
      files: filesOf(row, this.#options.filesLimit),
      votes: votesOf(row),
    };
    if (status !== 'open' || current.number !== patchset.patchset) {
      return { ...seen, dependencies: [], trouble: null };
    }
    const pages = pagesOf(this.#options.host, row.url);
    const { missing, ...needs } = await searchDependencies(row, pages, dependencyLimit, (terms) =>
      ask(terms, NEEDED),
    );
    if (!missing) this.#dependencyPatience.found(printed(patchset));
    else if (!this.#dependencyPatience.isOver(printed(patchset))) {
      throw notYetNeeded(patchset, this.#options.host);
    }
    return { ...seen, ...needs };
  }

  #missing(patchset: Patchset): ResolvedChange {
    if (!this.#patience.isOver(printed(patchset))) throw notYet(patchset, this.#options.host);
    return MISSING;
  }

  async #ask(
    connection: SshClient,
    about: string,
    terms: readonly string[],
    parts: readonly QueryPart[],
    signal: AbortSignal,
  ): Promise<readonly SeenRow[]> {
    const target = `${about} on ${this.#options.host}`;
    const question = { target, terms: terms.join(' OR '), parts };
    const { rows } = await queryRows(connection, this.#options, question, signal);
    return rows.map((row) => readSeenRow(row, target));
  }
}

/** Null when Gerrit does not show the patchset yet. Refuses a Gerrit where the change is another one. */
function currentOf(row: SeenRow, patchset: Patchset): CurrentSet | null {
  const current = row.currentPatchSet;
  if (current === undefined || current.number < patchset.patchset) return null;
  const project = row.project ?? patchset.project;
  if (project !== patchset.project) throw elsewhere(patchset, `a change of ${project}`);
  if (current.number === patchset.patchset && current.revision !== patchset.revision) {
    throw elsewhere(patchset, `commit ${current.revision}, not ${patchset.revision}`);
  }
  return current;
}

function notYet(patchset: Patchset, host: string): OperationError {
  return new OperationError({
    operation: 'look up change',
    target: printed(patchset),
    message: `${host} does not show ${printed(patchset)} yet`,
    retryable: true,
    hint: 'the change is gone, or this account may not read it, when this does not go away by itself',
  });
}

function notYetNeeded(patchset: Patchset, host: string): OperationError {
  return new OperationError({
    operation: 'look up change',
    target: printed(patchset),
    message: `${host} does not show yet what ${printed(patchset)} depends on`,
    retryable: true,
    hint: 'it is asked again by itself',
  });
}

function elsewhere(patchset: Patchset, what: string): OperationError {
  return new OperationError({
    operation: 'look up change',
    target: printed(patchset),
    message: `${printed(patchset)} is ${what}`,
    retryable: false,
    hint: 'this is another Gerrit than the one that the patchset came from, or it was restored from a backup',
  });
}
