/** `sos-ci config check`, `config show`, `config keys` and `config schema`: the file, its errors, and what it can hold. */

import { expandPresets } from '../../config/expand-presets.ts';
import { ConfigError } from '../../config/file/config-error.ts';
import { EXAMPLE } from '../../config/file/init-template.ts';
import { at, isMapping, jobText } from '../../config/file/yaml-document.ts';
import { jsonSchema, type KeyDoc, listKeys } from '../../config/key-reference.ts';
import { loadConfig, readDocument } from '../../config/load.ts';
import { plainLines, plainText } from '../../terminal-text.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { wrap } from '../output/table.ts';
import { type Io, printJson } from '../output/terminal.ts';

export interface ConfigCheckOptions {
  readonly example?: boolean;
  readonly json?: boolean;
}

/** Exit code 0 for a valid file, 3 for one with errors. */
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
      io.err(`${count(error.problems.length, 'error')} in ${plainText(file)}\n`);
    }
    return EXIT.config;
  }
}

/** How `config show` prints a job. */
export interface ConfigShowOptions {
  readonly expand?: boolean;
  readonly json?: boolean;
}

/**
 * A job as it is written, or with its preset expanded.
 *
 * @throws ConfigError if the file has an error
 */
export function configShowCommand(io: Io, file: string, name: string, options: ConfigShowOptions): number {
  const known = loadConfig(file).jobs.map((job) => job.spec.name);
  const written = readDocument(file);
  const document = options.expand ? expandPresets(written) : written;
  const job = at(document.value, ['jobs', name]);
  if (!isMapping(job))
    throw new CliError(EXIT.usage, `${file} has no job ${name}`, `its jobs: ${known.join(', ')}`);
  if (options.json) printJson(io, job);
  else io.out(plainLines(jobText(name, job)));
  return EXIT.ok;
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
    printJson(io, { keys: shown }, 'keys');
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
