/** `sos-ci config check`, `config keys` and `config schema`: all errors of the file, and what a file can hold. */

import { ConfigError } from '../../config/file/config-error.ts';
import { EXAMPLE } from '../../config/file/init-template.ts';
import { jsonSchema, type KeyDoc, listKeys } from '../../config/key-reference.ts';
import { loadConfig } from '../../config/load.ts';
import { plainText } from '../../terminal-text.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { wrap } from '../output/table.ts';
import { type Io, printJson } from '../output/terminal.ts';

export interface ConfigCheckOptions {
  readonly example?: boolean;
  readonly json?: boolean;
}

/** Exit code 0 for a valid file, 3 for one with mistakes. */
export function configCheckCommand(io: Io, file: string, options: ConfigCheckOptions): number {
  if (options.example) {
    io.out(EXAMPLE);
    return EXIT.ok;
  }
  try {
    const config = loadConfig(file);
    const jobs = config.jobs.map((job) => job.spec.name);
    if (options.json) printJson(io, { file: config.file, ok: true, jobs, problems: [] });
    else io.out(`${plainText(file)}: valid; ${count(jobs.length, 'job')}: ${plainText(jobs.join(', '))}\n`);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (options.json) printJson(io, { file, ok: false, jobs: [], problems: error.problems });
    else {
      for (const line of error.message.split('\n')) io.out(`${plainText(line)}\n`);
      io.err(`${count(error.problems.length, 'mistake')} in ${plainText(file)}\n`);
    }
    return EXIT.config;
  }
}

/** For editors: completion and checks of sos-ci.yaml. */
export function configSchemaCommand(io: Io): number {
  printJson(io, jsonSchema());
  return EXIT.ok;
}

export interface ConfigKeysOptions {
  readonly json?: boolean;
}

export function configKeysCommand(io: Io, options: ConfigKeysOptions): number {
  const keys = listKeys();
  if (options.json) {
    const shown = keys.map(({ path, kind, about, default: value, defaultText: written }) => {
      const fallback = value === undefined || value === null ? null : written;
      return { path, kind, about, required: value === undefined, default: fallback };
    });
    printJson(io, { keys: shown });
    return EXIT.ok;
  }
  for (const key of keys) {
    io.out(`${key.path}  (${key.kind}; ${shownDefault(key)})\n`);
    for (const line of wrap(key.about, io.width - 4)) io.out(`    ${line}\n`);
  }
  return EXIT.ok;
}

function shownDefault(key: KeyDoc): string {
  if (key.default === undefined) return 'required';
  return key.default === null ? 'no default' : `default ${key.defaultText}`;
}
