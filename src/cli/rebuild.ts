/** `sos-ci rebuild`: makes every view again from the log. The daemon must not run; the log itself is never changed. */
import { rebuildDatabase } from '../maintenance.ts';
import { count } from './event-text.ts';
import { EXIT } from './exit.ts';
import { type Io, printJson } from './io.ts';

export interface RebuildOptions {
  readonly json?: boolean;
}

export function rebuildCommand(io: Io, stateDir: string, options: RebuildOptions): number {
  const started = io.now();
  const rows = rebuildDatabase(stateDir);
  const ms = io.now() - started;
  if (options.json) printJson(io, { rows, ms });
  else io.out(`views made again from ${count(rows, 'row')} in ${ms} ms\n`);
  return EXIT.ok;
}
