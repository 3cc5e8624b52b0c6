/**
 * Looks up the current state of a change over the shared connection: one query for the change, plus one or more per
 * level of its dependencies. Gerrit's stream can be ahead of its index, so a missing change is a retryable error until
 * it has been missing for long enough.
 */
import type { Changes, Clock, EffectOf } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import type { Patchset, ResolvedChange } from '../../../machines/model/domain.ts';
import type { SshClient } from '../../ssh/client/client.ts';
import { formatPatchset } from '../reviews/transport.ts';
import { type QueryPart, queryRows } from '../transport/query.ts';
import type { SharedConnection } from '../transport/shared-connection.ts';
import type { GerritOptions } from '../transport/ssh-connection.ts';
import { searchDependencies } from './dependency-search.ts';
import { pagesOf } from './depends-on.ts';
import { IndexLagTracker } from './index-lag.ts';
import { filesOf, parseQueryRow, type QueryRow, statusOf, votesOf } from './query-row.ts';

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

const QUERY_PARTS: readonly QueryPart[] = ['--current-patch-set', '--commit-message', '--dependencies'];

/**
 * How long a dependency may be missing. It was pushed before the change that names it, and Gerrit indexes a push before
 * the push returns, so only index replication can be late, by seconds. The developer waits for the refusal: with the
 * default retries at 0.25, 0.75, 1.75 and 3.75 s it comes after 4 s.
 */
const DEPENDENCY_DELAY_MS = 3_000;

type LookUp = EffectOf<'lookUpChange'>;
type CurrentSet = NonNullable<QueryRow['currentPatchSet']>;

export class ChangeLookup implements Changes {
  readonly #options: GerritOptions;
  readonly #shared: SharedConnection;
  readonly #indexLag: IndexLagTracker;
  readonly #dependencyLag: IndexLagTracker;

  constructor(options: GerritOptions, clock: Clock, shared: SharedConnection) {
    this.#options = options;
    this.#shared = shared;
    this.#indexLag = new IndexLagTracker(clock, options.indexLagMs);
    this.#dependencyLag = new IndexLagTracker(clock, Math.min(options.indexLagMs, DEPENDENCY_DELAY_MS));
  }

  lookUp(request: LookUp, signal: AbortSignal): Promise<ResolvedChange> {
    return this.#shared.run(signal, (connection) => this.#lookUp(connection, request, signal));
  }

  async #lookUp(connection: SshClient, request: LookUp, signal: AbortSignal): Promise<ResolvedChange> {
    const { patchset, dependencyLimit } = request;
    const ask = (terms: readonly string[], parts: readonly QueryPart[]) =>
      this.#ask(connection, `change ${formatPatchset(patchset)}`, terms, parts, signal);
    const rows = await ask([`change:${patchset.change}`], [...QUERY_PARTS, '--files']);
    const row = rows.find(({ number }) => number === patchset.change);
    if (row === undefined) return this.#missing(patchset);
    const current = currentOf(row, patchset);
    if (current === null) throw notShownYet(patchset, this.#options.host);
    this.#indexLag.clear(formatPatchset(patchset));
    const status = statusOf(row);
    const seen = {
      status,
      current: current.number,
      ...(row.branch === undefined ? {} : { branch: row.branch }),
      wip: row.wip,
      private: row.private,
      files: filesOf(row, this.#options.maxFiles),
      votes: votesOf(row),
    };
    if (status !== 'open' || current.number !== patchset.patchset) {
      return { ...seen, dependencies: [], trouble: null };
    }
    const pages = pagesOf(this.#options.host, row.url);
    const { missing, ...needs } = await searchDependencies(row, pages, dependencyLimit, (terms) =>
      ask(terms, QUERY_PARTS),
    );
    if (!missing) this.#dependencyLag.clear(formatPatchset(patchset));
    else if (!this.#dependencyLag.expired(formatPatchset(patchset))) {
      throw dependencyNotShownYet(patchset, this.#options.host);
    }
    return { ...seen, ...needs };
  }

  #missing(patchset: Patchset): ResolvedChange {
    if (!this.#indexLag.expired(formatPatchset(patchset))) throw notShownYet(patchset, this.#options.host);
    return MISSING;
  }

  async #ask(
    connection: SshClient,
    about: string,
    terms: readonly string[],
    parts: readonly QueryPart[],
    signal: AbortSignal,
  ): Promise<readonly QueryRow[]> {
    const target = `${about} on ${this.#options.host}`;
    const query = { target, terms: terms.join(' OR '), parts };
    const { rows } = await queryRows(connection, this.#options, query, signal);
    return rows.map((row) => parseQueryRow(row, target));
  }
}

/** Null when Gerrit does not show the patchset yet. Throws when the row is a different change (wrong Gerrit). */
function currentOf(row: QueryRow, patchset: Patchset): CurrentSet | null {
  const current = row.currentPatchSet;
  if (current === undefined || current.number < patchset.patchset) return null;
  const project = row.project ?? patchset.project;
  if (project !== patchset.project) throw wrongGerrit(patchset, `a change of ${project}`);
  if (current.number === patchset.patchset && current.revision !== patchset.revision) {
    throw wrongGerrit(patchset, `commit ${current.revision}, not ${patchset.revision}`);
  }
  return current;
}

function notShownYet(patchset: Patchset, host: string): OperationError {
  return new OperationError({
    operation: 'look up change',
    target: formatPatchset(patchset),
    message: `${host} does not show ${formatPatchset(patchset)} yet`,
    retryable: true,
    hint: 'if this persists, the change was deleted or this account may not read it',
  });
}

function dependencyNotShownYet(patchset: Patchset, host: string): OperationError {
  return new OperationError({
    operation: 'look up change',
    target: formatPatchset(patchset),
    message: `${host} does not show all dependencies of ${formatPatchset(patchset)} yet`,
    retryable: true,
    hint: 'none: sos-ci retries automatically',
  });
}

function wrongGerrit(patchset: Patchset, what: string): OperationError {
  return new OperationError({
    operation: 'look up change',
    target: formatPatchset(patchset),
    message: `${formatPatchset(patchset)} is ${what}`,
    retryable: false,
    hint: 'this is not the Gerrit that the patchset came from, or it was restored from a backup',
  });
}
