/** `database`: how long closed histories stay in the database. */
import { z } from 'zod';
import type { DatabaseConfig } from '../config.ts';
import { duration } from '../fields/fields.ts';

export const database = z.strictObject({
  keep: duration({
    default: '90d',
    min: '0s',
    max: '3650d',
    about:
      'jobs and reviews that ended longer ago than this move from the database to files in stateDir/archive; less than 8 days means 8 days; 0s: never',
  }),
});

/** Constants that need no configuration. */
const LIMITS = {
  /** Longer than events are remembered, and than the window of any limit on starts. */
  minKeepMs: 8 * 24 * 3_600_000,
  /** Of all archive files: some years of a busy site. */
  maxArchiveBytes: 2 * 1024 ** 3,
} as const;

export function buildDatabase({ keep }: z.output<typeof database>): DatabaseConfig {
  const { minKeepMs, maxArchiveBytes } = LIMITS;
  return { keepMs: keep === 0 ? 0 : Math.max(keep, minKeepMs), maxArchiveBytes };
}
