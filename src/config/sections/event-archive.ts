/** `eventArchive`: Gerrit's events unmodified, in files, for `sos-ci events export` and `sos-ci explain --events`. */
import { join } from 'node:path';
import { z } from 'zod';
import type { SegmentsConfig } from '../config.ts';
import { size } from '../fields/fields.ts';

export const eventArchive = z.strictObject({
  maxSize: size({
    default: '512MB',
    min: '0B',
    about: 'all files in total; the oldest are removed. 0B: keep none',
  }),
});

/** Constants that need no configuration. */
const LIMITS = {
  /** A full or old file is closed; only closed files are removed. */
  segmentBytes: 16 * 1024 ** 2,
  segmentAgeMs: 24 * 3_600_000,
  /** Long enough to explain past events; they contain names and addresses. */
  maxAgeMs: 30 * 24 * 3_600_000,
  /** Limit on lines that wait for a slow disk; further ones are counted and dropped. */
  bufferBytes: 8 * 1024 ** 2,
  /** Wait after a disk error. */
  retryMs: 10_000,
} as const;

export function buildEventArchive(
  { maxSize }: z.output<typeof eventArchive>,
  stateDir: string,
): SegmentsConfig {
  return { ...LIMITS, keep: maxSize > 0, dir: join(stateDir, 'events'), maxBytes: maxSize };
}
