/** The newest health check for people and programs. */
import type { HealthRecord } from '../../engine/ports/store.ts';
import { iso, utc } from './time.ts';

export const HEALTHY = 'healthy';

/** What is wrong, a line each; nothing before the first daemon. */
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
