/** SQL for queries of jobs and reviews: which rows of their views, and in which order. */
import type { JobOrder, JobQuery } from '../../engine/ports/store.ts';

const ORDERS: Readonly<Record<JobOrder, string>> = {
  accepted: 'accepted_at',
  attempt: 'attempt',
  branch: 'branch',
  change: 'change',
  ended: 'ended_at',
  id: 'id',
  job: 'name',
  owner: 'owner',
  project: 'project',
  provider: 'provider',
  state: 'state',
  took: "coalesce(ended_at, unixepoch('subsec') * 1000) - accepted_at",
  verdict: 'verdict',
};

export function orderOf({ by, descending }: NonNullable<JobQuery['sort']>): string {
  return `${ORDERS[by]} ${descending ? 'DESC' : 'ASC'} NULLS LAST`;
}

/** The condition for each part of a query that has one value. */
const TERMS = {
  change: 'change = ?',
  project: 'project = ?',
  branch: 'branch = ?',
  name: 'name = ?',
  owner: 'owner = ?',
  state: "substr(state || '.', 1, instr(state || '.', '.') - 1) = ?",
  since: 'accepted_at >= ?',
  until: 'accepted_at < ?',
} as const satisfies Partial<Record<keyof JobQuery, string>>;

/** The condition of a query and its values; the limit is the last one. */
export function filter(query: JobQuery): { readonly where: string; readonly values: readonly unknown[] } {
  const terms = query.open === undefined ? [] : [query.open ? 'ended = 0' : 'ended = 1'];
  const values: unknown[] = [];
  for (const key of Object.keys(TERMS) as (keyof typeof TERMS)[]) {
    if (query[key] === undefined) continue;
    terms.push(TERMS[key]);
    values.push(query[key]);
  }
  if (query.verdicts !== undefined) {
    terms.push(`verdict IN (${query.verdicts.map(() => '?').join(', ')})`);
    values.push(...query.verdicts);
  }
  const where = terms.length === 0 ? '' : `WHERE ${terms.join(' AND ')}`;
  return { where, values: [...values, query.limit] };
}
