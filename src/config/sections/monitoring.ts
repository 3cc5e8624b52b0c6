/** `monitoring`: the health checks of the daemon, and when they raise an alarm. */
import { z } from 'zod';
import type { HealthLimits } from '../../machines/model/health-snapshot.ts';
import { duration, size } from '../fields/fields.ts';

export const monitoring = z.strictObject({
  interval: duration({ default: '10m', min: '1s', about: 'between two health checks' }),
  noReportsAfter: duration({
    default: '3d',
    min: '1m',
    about:
      'raise an alarm after this long without a report from this CI, while other CIs report on the same projects',
  }),
  minFreeDisk: size({
    default: '1GB',
    min: '1MB',
    about: 'on the disks of stateDir, logs and events; with less an alarm is raised',
  }),
});

/** Constants that need no configuration. */
const LIMITS = {
  /** SQLite's log and a job's many small files need inodes too. */
  diskFreeFiles: 10_000,
  /** Checkpoints keep the WAL at a few megabytes; a long read makes it grow. */
  walBytes: 64 * 1024 ** 2,
  /** With fewer reports of other CIs, our own silence may just be a weekend. */
  minOtherReports: 10,
} as const;

export function buildMonitoring({ interval, noReportsAfter, minFreeDisk }: z.output<typeof monitoring>): {
  readonly intervalMs: number;
  readonly limits: HealthLimits;
} {
  const limits = { ...LIMITS, diskFreeBytes: minFreeDisk, maxSilenceMs: noReportsAfter };
  return { intervalMs: interval, limits };
}
