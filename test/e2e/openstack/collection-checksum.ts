/** A checksum of the collection as it is shipped, so that runs on different labs can be compared. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The SHA-256 of the names and contents of all tracked files in ansible/. */
export function collectionChecksum(): string {
  const tracked = execFileSync('git', ['ls-files', '-z', 'ansible'], { cwd: ROOT, encoding: 'utf8' });
  const sum = createHash('sha256');
  for (const name of tracked.split('\0').filter(Boolean).sort()) {
    sum.update(`${name}\0`).update(readFileSync(join(ROOT, name)));
  }
  return sum.digest('hex');
}
