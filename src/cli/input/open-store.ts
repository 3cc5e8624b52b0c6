/** Finds the configuration file and the store of a command. */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { findStateDir } from '../../config/file/state-dir.ts';
import type { StoreReader } from '../../engine/ports/store.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';

export interface StoreLocation {
  /** --config; default: SOS_CI_CONFIG, or sos-ci.yaml in the current directory. */
  readonly config?: string;
  /** --state: a state directory; needs no configuration. */
  readonly state?: string;
}

export function configFile(location: StoreLocation): string {
  return location.config ?? (process.env.SOS_CI_CONFIG || 'sos-ci.yaml');
}

/** The state directory, which may not exist yet. @throws CliError */
export async function namedStateDirectory(location: StoreLocation): Promise<string> {
  return location.state === undefined ? configuredState(location) : resolve(location.state);
}

/** A state directory that has a database. @throws CliError */
export async function stateDirectory(location: StoreLocation): Promise<string> {
  const directory = await namedStateDirectory(location);
  if (existsSync(databaseIn(directory))) return directory;
  const hint =
    location.state === undefined
      ? 'the first start of the daemon creates it: sos-ci daemon'
      : 'name the directory that holds sos-ci.db';
  throw new CliError(EXIT.store, `${databaseIn(directory)}: no such database`, hint);
}

/** Opens the store read-only while `use` runs. */
export async function withReader<T>(
  location: StoreLocation,
  use: (reader: StoreReader) => T | Promise<T>,
): Promise<T> {
  const file = databaseIn(await stateDirectory(location));
  const { openReader } = await import('../../adapters/sqlite/reader.ts');
  const reader = openReader(file);
  try {
    return await use(reader);
  } finally {
    reader.close();
  }
}

/** Whether the daemon of this database runs. */
export function daemonRuns(reader: Pick<StoreReader, 'daemon'>, { alive }: Pick<Io, 'alive'>): boolean {
  const daemon = reader.daemon();
  return daemon !== null && daemon.mode !== 'stopped' && alive(daemon.pid, daemon.startTicks);
}

export function databaseIn(stateDir: string): string {
  return join(stateDir, 'sos-ci.db');
}

async function configuredState(location: StoreLocation): Promise<string> {
  const config = configFile(location);
  const directory = await findStateDir(config);
  if (directory !== null) return directory;
  if (!existsSync(config)) {
    throw new CliError(
      EXIT.config,
      `no ${basename(config)} in ${dirname(resolve(config))}`,
      'name one with --config FILE, or a state directory with --state DIR',
    );
  }
  const hint = `see why: sos-ci config check --config ${config}`;
  throw new CliError(EXIT.config, `${config}: cannot be read as a configuration`, hint);
}
