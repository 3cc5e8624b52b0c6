/**
 * `gerrit query --format=JSON`: one line per change, newest first, then a row of statistics. An invalid query yields an
 * error row and exit 0, as in Gerrit. Supports change, commit, project, branch, status, is, owner, topic, after and
 * since, before and until, age, limit, a bare number, Change-Id or SHA; `-`, NOT, OR, AND and brackets.
 */
import { accountJson, changeJson, patchsetJson, relativesJson, toLine } from './attributes.ts';
import { parseOptions, UsageError } from './command-line.ts';
import type { ChangeRecord, GerritAccount, GerritState, PatchsetRecord } from './state.ts';
import { canSee, currentPatchset } from './state.ts';

const DEFAULT_LIMIT = 500;

type Test = (change: ChangeRecord) => boolean;

/** A query that Gerrit rejects. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
}

const OPTIONS = [
  { name: '--format', takesValue: true },
  { name: '--start', aliases: ['-S'], takesValue: true },
  ...['--comments', '--current-patch-set', '--patch-sets', '--all-approvals', '--commit-message'].map(
    (name) => ({ name, takesValue: false }),
  ),
  ...['--no-limit', '--files', '--dependencies', '--submit-records', '--all-reviewers'].map((name) => ({
    name,
    takesValue: false,
  })),
];

/** Newest first. @throws QueryError */
export function findChanges(
  state: GerritState,
  by: GerritAccount,
  text: string,
  limit: number,
): readonly ChangeRecord[] {
  const test = new QueryReader(state, by, text).read();
  return newestFirst(
    [...state.changes.values()].filter((change) => canSee(by, change) && test(change)),
  ).slice(0, limit);
}

/** The lines to print. @throws UsageError for a command line that Gerrit rejects */
export function runQuery(state: GerritState, by: GerritAccount, args: readonly string[]): string {
  const { options, operands } = parseOptions(args, OPTIONS);
  if (options.get('--format')?.at(-1)?.toUpperCase() !== 'JSON') {
    throw new UsageError('the embedded Gerrit supports queries with --format=JSON only');
  }
  if (operands.length === 0) throw new UsageError('Argument "QUERY" is required');
  const started = performance.now();
  try {
    const query = new QueryReader(state, by, operands.join(' '));
    const test = query.read();
    const found = [...state.changes.values()].filter((change) => canSee(by, change) && test(change));
    newestFirst(found);
    const start = Number(options.get('--start')?.at(-1) ?? 0);
    const end = options.has('--no-limit') ? found.length : start + Math.min(query.limit, DEFAULT_LIMIT);
    const page = found.slice(start, end);
    const stats = {
      type: 'stats',
      rowCount: page.length,
      runTimeMilliseconds: Math.round(performance.now() - started),
      moreChanges: found.length > end,
    };
    const requested = new Set(options.keys());
    return page.map((change) => toLine(rowOf(state, change, requested))).join('') + toLine(stats);
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return toLine({ type: 'error', message: error.message });
  }
}

function newestFirst(changes: ChangeRecord[]): ChangeRecord[] {
  return changes.sort((a, b) => b.lastUpdated - a.lastUpdated || b.number - a.number);
}

function rowOf(
  state: GerritState,
  change: ChangeRecord,
  requested: ReadonlySet<string>,
): Record<string, unknown> {
  const row = changeJson(state, change, { commitMessage: requested.has('--commit-message') });
  if (requested.has('--comments')) {
    row.comments = change.messages.map((message) => ({
      timestamp: message.at,
      reviewer: accountJson(message.author),
      message: message.text,
    }));
  }
  const allApprovals = requested.has('--all-approvals');
  if (requested.has('--current-patch-set')) row.currentPatchSet = patchsetRow(currentPatchset(change), true);
  if (requested.has('--patch-sets') || allApprovals) {
    row.patchSets = change.patchsets.map((patchset) => patchsetRow(patchset, allApprovals));
  }
  if (requested.has('--submit-records')) {
    const labels = state.labels.map(({ name }) => ({ label: name, status: 'NEED' }));
    row.submitRecords = [{ status: 'NOT_READY', labels }];
  }
  if (requested.has('--dependencies')) Object.assign(row, relativesJson(state, change));
  return row;

  function patchsetRow(patchset: PatchsetRecord, withApprovals: boolean): Record<string, unknown> {
    const { sizeInsertions, sizeDeletions, ...head } = patchsetJson(patchset);
    const approvals = withApprovals ? approvalRows(state, patchset) : [];
    const comments = requested.has('--comments') ? commentRows(change, patchset) : [];
    return {
      ...head,
      ...(approvals.length === 0 ? {} : { approvals }),
      ...(comments.length === 0 ? {} : { comments }),
      ...(requested.has('--files') ? { files: patchset.files } : {}),
      sizeInsertions,
      sizeDeletions,
    };
  }
}

function approvalRows(state: GerritState, patchset: PatchsetRecord): Record<string, unknown>[] {
  return [...patchset.votes].flatMap(([label, votes]) =>
    [...votes].flatMap(([username, vote]) => {
      const account = state.accounts.get(username);
      if (account === undefined) return [];
      const value = String(vote.value);
      return [{ type: label, description: label, value, grantedOn: vote.at, by: accountJson(account) }];
    }),
  );
}

/** By file, without times. */
function commentRows(change: ChangeRecord, { number }: PatchsetRecord): Record<string, unknown>[] {
  return change.comments
    .filter(({ patchset }) => patchset === number)
    .sort((one, other) => (one.file < other.file ? -1 : Number(one.file > other.file)))
    .map(({ file, author, text }) => ({ file, line: 0, reviewer: accountJson(author), message: text }));
}

/** A recursive descent parser: OR of ANDs of terms. */
class QueryReader {
  limit = DEFAULT_LIMIT;
  readonly #state: GerritState;
  readonly #by: GerritAccount;
  readonly #terms: string[];

  constructor(state: GerritState, by: GerritAccount, text: string) {
    this.#state = state;
    this.#by = by;
    this.#terms = text.match(/[()]|-?[\w-]*:?(?:\{[^}]*\}|"[^"]*")|[^\s()]+/g) ?? [];
  }

  read(): Test {
    const test = this.#parseOr();
    if (this.#terms.length > 0) throw new QueryError(`line 1:0 no viable alternative at '${this.#terms[0]}'`);
    return test;
  }

  #parseOr(): Test {
    const tests = [this.#parseAnd()];
    while (this.#terms[0]?.toUpperCase() === 'OR') {
      this.#terms.shift();
      tests.push(this.#parseAnd());
    }
    return (change) => tests.some((test) => test(change));
  }

  #parseAnd(): Test {
    const tests: Test[] = [];
    for (;;) {
      const next = this.#terms[0];
      if (next === undefined || next === ')' || next.toUpperCase() === 'OR') break;
      if (next.toUpperCase() === 'AND') this.#terms.shift();
      else tests.push(this.#parseTerm());
    }
    return (change) => tests.every((test) => test(change));
  }

  #parseTerm(): Test {
    const term = this.#terms.shift() ?? '';
    if (term === 'NOT' || term === '-') {
      const test = this.#parseTerm();
      return (change) => !test(change);
    }
    if (term === '(') {
      const test = this.#parseOr();
      if (this.#terms.shift() !== ')') throw new QueryError("line 1:0 missing ')'");
      return test;
    }
    if (term.startsWith('-')) {
      const test = this.#predicate(term.slice(1));
      return (change) => !test(change);
    }
    return this.#predicate(term);
  }

  #predicate(term: string): Test {
    const colon = term.indexOf(':');
    const name = colon < 0 ? 'change' : term.slice(0, colon);
    const value = term.slice(colon + 1).replace(/^(\{(.*)\}|"(.*)")$/, '$2$3');
    switch (name) {
      case 'change':
        return changeTest(value, colon >= 0);
      case 'commit':
        return (c) => c.patchsets.some((patchset) => patchset.revision.startsWith(value));
      case 'project':
        if (value.startsWith('^')) return (c) => new RegExp(`${value}$`).test(c.project);
        return (c) => c.project === value;
      case 'branch':
        return (c) => c.branch === value || `refs/heads/${c.branch}` === value;
      case 'topic':
        return (c) => c.topic === value;
      case 'owner':
        return (c) => c.owner.username === (value === 'self' ? this.#by.username : value);
      case 'status':
      case 'is':
        return stateTest(value);
      case 'after':
      case 'since':
        return atLeast(dateSeconds(value));
      case 'before':
      case 'until': {
        const until = dateSeconds(value);
        return (c) => c.lastUpdated <= until;
      }
      case 'age':
        return olderThan(this.#state.now() - durationSeconds(value));
      case 'limit':
        if (!/^\d+$/.test(value)) throw new QueryError(`Invalid limit: ${value}`);
        this.limit = Number(value);
        return () => true;
      default:
        throw new QueryError(`Unsupported operator ${term}`);
    }
  }
}

function changeTest(value: string, named: boolean): Test {
  if (/^\d+$/.test(value)) return (c) => c.number === Number(value);
  if (/^I[0-9a-f]{8,40}$/.test(value)) return (c) => c.id.startsWith(value);
  if (!named && /^[0-9a-f]{6,40}$/.test(value))
    return (c) => c.patchsets.some((patchset) => patchset.revision.startsWith(value));
  const triplet = /^([^~]+)~([^~]+)~(I[0-9a-f]{40})$/.exec(value);
  if (triplet !== null) {
    return (c) => c.project === triplet[1] && c.branch === triplet[2] && c.id === triplet[3];
  }
  throw new QueryError(named ? 'Invalid change format' : `Unsupported query: ${value}`);
}

function stateTest(value: string): Test {
  const state = value.toLowerCase();
  if (state === 'open' || state === 'new' || state === 'pending') return (c) => c.status === 'NEW';
  if (state === 'closed') return (c) => c.status !== 'NEW';
  if (state === 'merged') return (c) => c.status === 'MERGED';
  if (state === 'abandoned') return (c) => c.status === 'ABANDONED';
  if (state === 'wip') return (c) => c.wip;
  if (state === 'private') return (c) => c.isPrivate;
  throw new QueryError(`Unrecognized value: ${value}`);
}

function atLeast(since: number): Test {
  return (change) => change.lastUpdated >= since;
}

function olderThan(time: number): Test {
  return (change) => change.lastUpdated <= time;
}

/** `2026-11-22`, optionally with a time and a zone; UTC by default. */
function dateSeconds(value: string): number {
  const parts = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?: ([+-]\d{4}))?)?$/.exec(value);
  const zone = parts?.[3]?.replace(/(\d\d)$/, ':$1') ?? 'Z';
  const time = parts === null ? Number.NaN : Date.parse(`${parts[1]}T${parts[2] ?? '00:00:00'}${zone}`);
  if (Number.isNaN(time)) throw new QueryError(`Invalid date format: ${value}`);
  return time / 1000;
}

function durationSeconds(value: string): number {
  const parts = /^(\d+) ?(s|m|h|d|w)[a-z]*$/.exec(value);
  const unit = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[parts?.[2] ?? ''];
  if (parts === null || unit === undefined) throw new QueryError(`Invalid duration: ${value}`);
  return Number(parts[1]) * unit;
}
