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
      'jobs and reviews that ended longer ago, 8 days at least, leave the database for files in archive in stateDir; 0s: never',
  }),
});

/** Constants that need no configuration. */
const LIMITS = {
  /** Longer than events are remembered, and than any limit on starts looks back. */
  minKeepMs: 8 * 24 * 3_600_000,
  /** Of all archive files: some years of a busy site. */
  maxArchiveBytes: 2 * 1024 ** 3,
} as const;

export function buildDatabase({ keep }: z.output<typeof database>): DatabaseConfig {
  const { minKeepMs, maxArchiveBytes } = LIMITS;
  return { keepMs: keep === 0 ? 0 : Math.max(keep, minKeepMs), maxArchiveBytes };
}
