/** Moves old histories to files below the state directory, as the configuration says. */
import { systemClock } from '../adapters/clock/system.ts';
import { ArchiveDirectory } from '../adapters/history-archive/files.ts';
import type { Config } from '../config/config.ts';
import type { EventIntake } from '../engine/intake/event-intake.ts';
import type { Engine } from '../engine/loop/engine.ts';
import { Archiving } from '../engine/operations/archiving.ts';
import type { Store } from '../engine/ports/store.ts';
import type { Log } from '../log.ts';
import { archiveDirectory, sha256 } from './database-admin.ts';

/** Null: histories stay in the database. */
export function createArchiving(
  config: Config,
  events: EventIntake,
  engine: Engine,
  store: Store,
  log: Log,
): Archiving | null {
  const { keepMs, maxArchiveBytes: maxBytes } = config.database;
  if (keepMs === 0) return null;
  const archive = new ArchiveDirectory(archiveDirectory(config.stateDir));
  return new Archiving({
    ...{ engine, store, archive, clock: systemClock, hash: sha256, log, keepMs, maxBytes },
    closedAmong: (changes, signal) => events.closedAmong(changes, signal),
  });
}
