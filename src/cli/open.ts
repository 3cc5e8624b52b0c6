/** Finds the configuration file and the store that a command was asked about, and says what to do when one is not there. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findStateDir } from '../config/state-dir.ts';
import type { StoreReader } from '../engine/store.ts';
import { CliError, EXIT } from './exit.ts';

export interface Where {
  /** --config; default: SOS_CI_CONFIG, or sos-ci.yaml in the current folder. */
  readonly config?: string;
  /** --db: a database file, without any configuration. */
  readonly db?: string;
}

export function configFile(where: Where): string {
  return where.config ?? (process.env.SOS_CI_CONFIG || 'sos-ci.yaml');
}

/** The database's path; it exists. */
export async function databaseFile(where: Where): Promise<string> {
  if (where.db !== undefined) {
    const file = resolve(where.db);
    if (existsSync(file)) return file;
    throw new CliError(EXIT.store, `${file}: there is no such database`, 'name another with --db FILE');
  }
  const config = configFile(where);
  const stateDir = await findStateDir(config);
  if (stateDir === null) {
    throw new CliError(
      EXIT.config,
      `${config}: can not be read as a configuration`,
      existsSync(config)
        ? `run: sos-ci config check --config ${config}`
        : 'name one with --config FILE, or a database with --db FILE',
    );
  }
  const file = join(stateDir, 'sos-ci.db');
  if (existsSync(file)) return file;
  throw new CliError(
    EXIT.store,
    `${file}: there is no database yet`,
    'the daemon makes it when it first starts: sos-ci daemon',
  );
}

/** Opens the store read-only for as long as `ask` runs. */
export async function withReader<T>(where: Where, ask: (reader: StoreReader) => T | Promise<T>): Promise<T> {
  const file = await databaseFile(where);
  const { openReader } = await import('../adapters/sqlite/reader.ts');
  const reader = openReader(file);
  try {
    return await ask(reader);
  } finally {
    reader.close();
  }
}
