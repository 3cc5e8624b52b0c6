/** `sos-ci backup FILE`: copies the database, even while the daemon writes to it. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { backupDatabase } from '../../app/database-admin.ts';
import { plainText } from '../../terminal-text.ts';
import { EXIT } from '../output/exit-codes.ts';
import { type Io, printJson } from '../output/terminal.ts';
import { bytes } from '../output/time.ts';

export interface BackupOptions {
  readonly json?: boolean;
}

export async function backupCommand(
  io: Io,
  stateDir: string,
  file: string,
  options: BackupOptions,
): Promise<number> {
  const target = resolve(file);
  await backupDatabase(stateDir, target, (left, total) => {
    if (io.progress && total > 0) io.err(`\r${Math.round((100 * (total - left)) / total)}%`);
  });
  if (io.progress) io.err('\r\u001b[K');
  const size = statSync(target).size;
  if (options.json) printJson(io, { file: target, bytes: size });
  else {
    io.out(`${plainText(target)}: ${bytes(size)}\n`);
    io.out('After restoring it, confirm it before the first start: sos-ci confirm --yes\n');
  }
  return EXIT.ok;
}
