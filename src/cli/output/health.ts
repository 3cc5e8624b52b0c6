/** The newest health check, as text and as JSON. */
import type { HealthRecord } from '../../engine/ports/store.ts';
import { iso, utc } from './time.ts';

export const HEALTHY = 'healthy';

/** One line for each problem; empty before the first start of a daemon. */
export function healthLines(record: HealthRecord | null): readonly string[] {
  if (record === null) return [];
  if (record.problems.length === 0) return [HEALTHY];
  return record.problems.map(({ kind, target, since }) => `${kind} ${target} since ${utc(since)}`);
}

export function healthJson(record: HealthRecord | null) {
  if (record === null) return null;
  const problems = record.problems.map((one) => ({ ...one, since: iso(one.since) }));
  return { healthy: problems.length === 0, limits: record.limits, problems };
}
