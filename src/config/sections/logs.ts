/** `logs`: where logs and other evidence are published. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Config } from '../config.ts';
import { duration, optionalText, text } from '../fields/fields.ts';
import { webAddress } from '../fields/validators.ts';

export const logs = z.strictObject({
  dir: optionalText({ kind: 'path', about: 'where evidence is published; by default logs in stateDir' }),
  url: text({
    kind: 'web address',
    default: '',
    check: webAddress,
    about: 'the address of logs.dir for readers; empty: its file:// address',
  }),
  keep: duration({
    default: '30d',
    min: '0s',
    max: '3650d',
    about: 'published evidence is removed when it is older, and no review needs it; 0s: never',
  }),
});

/** Constants that need no configuration: a work tree beyond them is damaged or hostile. */
const LIMITS = {
  /** Only the beginning of a longer file is published. */
  maxFileBytes: 256 * 1024 ** 2,
  /** Files and folders of one work tree that are examined. */
  maxEntries: 200_000,
  maxDepth: 32,
  /** Limit on skipped files that the manifest names; further ones are only counted. */
  maxIndexEntries: 1_000,
} as const;

export function buildLogs(
  { dir, url, keep }: z.output<typeof logs>,
  stateDir: string,
  path: (path: string) => string,
): Config['logs'] {
  return {
    dir: dir === null ? join(stateDir, 'logs') : path(dir),
    url,
    keepMs: keep,
    limits: LIMITS,
  };
}
