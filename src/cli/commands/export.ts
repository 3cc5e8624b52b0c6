/** `sos-ci export ID [FILE]`: a history with what belongs to it, without secrets, in one file. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { exportBundle } from '../../app/export-bundle.ts';
import { loadConfig } from '../../config/load.ts';
import { plainText } from '../../terminal-text.ts';
import { configFile, type StoreLocation, stateDirectory, withReader } from '../input/open-store.ts';
import { findHistory } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { printField } from '../output/table.ts';
import { type Io, printJson } from '../output/terminal.ts';
import { bytes } from '../output/time.ts';

export interface ExportOptions extends StoreLocation {
  readonly json?: boolean;
}

/** Needs the configuration, which names the secrets. @throws CliError, ConfigError, OperationError */
export async function exportCommand(
  io: Io,
  typed: string,
  named: string | undefined,
  options: ExportOptions,
): Promise<number> {
  const config = loadConfig(configFile(options));
  const stateDir = await stateDirectory(options);
  return withReader(options, async (reader) => {
    const history = findHistory(reader, typed);
    const file = resolve(named ?? `${history.replaceAll(/[^\w.-]/g, '_')}.jsonl.gz`);
    if (existsSync(file))
      throw new CliError(EXIT.usage, `${plainText(file)} exists`, 'name another file: sos-ci export ID FILE');
    const request = { history, file, configFile: configFile(options), config, stateDir, now: io.now() };
    const exported = await exportBundle(reader, request);
    if (options.json) {
      printJson(io, { file, ...exported });
      return EXIT.ok;
    }
    io.out(`${plainText(file)}: ${bytes(exported.bytes)}\n`);
    printField(io, 'histories', `${exported.histories.join(', ')}; ${count(exported.rows, 'row')}`);
    const logs = exported.logs.map(({ attempt, stage }) => `${stage} of attempt ${attempt}`);
    printField(io, 'logs', logs.length === 0 ? 'none on this host' : `the ends of ${logs.join(', ')}`);
    if (exported.redacted.length > 0)
      printField(
        io,
        'redacted',
        `secrets in the rows of ${exported.redacted.join(', ')}, which have new hashes`,
      );
    io.out(`On any host: sos-ci replay --file ${plainText(file)}\n`);
    return EXIT.ok;
  });
}
