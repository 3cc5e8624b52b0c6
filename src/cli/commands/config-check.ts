/** `sos-ci config check` and `config keys`: what is wrong with the file, all at once; and what a file may hold. */

import { ConfigError } from '../../config/file/config-error.ts';
import { EXAMPLE } from '../../config/file/example.ts';
import { type KeyDoc, listKeys } from '../../config/key-reference.ts';
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

/** Exit code 0 when the file is right, 3 when not. */
export function configCheckCommand(io: Io, file: string, options: ConfigCheckOptions): number {
  if (options.example) {
    io.out(EXAMPLE);
    return EXIT.ok;
  }
  try {
    const config = loadConfig(file);
    const jobs = config.jobs.map((job) => job.spec.name);
    if (options.json) printJson(io, { file: config.file, ok: true, jobs, problems: [] });
    else io.out(`${plainText(file)}: right; ${count(jobs.length, 'job')}: ${plainText(jobs.join(', '))}\n`);
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

export interface ConfigKeysOptions {
  readonly markdown?: boolean;
  readonly json?: boolean;
}

export function configKeysCommand(io: Io, options: ConfigKeysOptions): number {
  const keys = listKeys();
  if (options.json) {
    printJson(io, {
      keys: keys.map((key) => ({
        ...key,
        required: key.default === undefined,
        default: key.default ?? null,
      })),
    });
    return EXIT.ok;
  }
  if (options.markdown) {
    io.out(keysMarkdown(keys));
    return EXIT.ok;
  }
  for (const key of keys) {
    io.out(`${key.path}  (${key.kind}; ${defaultText(key)})\n`);
    for (const line of wrap(key.about, io.width - 4)) io.out(`    ${line}\n`);
  }
  return EXIT.ok;
}

/** The table of docs/configuration.md. */
export function keysMarkdown(keys: readonly KeyDoc[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('*', '\\*');
  const rows = keys.map(
    (key) => `| \`${key.path}\` | ${cell(key.kind)} | ${markdownDefault(key)} | ${cell(key.about)} |`,
  );
  return ['| key | value | default | what it is |', '|---|---|---|---|', ...rows, ''].join('\n');
}

function markdownDefault(key: KeyDoc): string {
  if (key.default === undefined) return 'required';
  return key.default === null ? 'none' : `\`${key.default}\``;
}

function defaultText(key: KeyDoc): string {
  if (key.default === undefined) return 'required';
  return key.default === null ? 'no default' : `default ${key.default}`;
}
