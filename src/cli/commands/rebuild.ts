/** `sos-ci rebuild`: rebuilds every view from the log. The daemon must not run; the log itself is never changed. */
import { rebuildDatabase } from '../../app/database-admin.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { type Io, printJson } from '../output/terminal.ts';

export interface RebuildOptions {
  readonly json?: boolean;
}

export function rebuildCommand(io: Io, stateDir: string, options: RebuildOptions): number {
  const started = io.now();
  const rows = rebuildDatabase(stateDir);
  const ms = io.now() - started;
  if (options.json) printJson(io, { rows, ms });
  else io.out(`views rebuilt from ${count(rows, 'row')} in ${formatDuration(ms)}\n`);
  return EXIT.ok;
}
