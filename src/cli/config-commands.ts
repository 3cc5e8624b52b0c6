/** The commands that read only the configuration. */
import type { Command } from 'commander';
import { configFile } from './input/open-store.ts';
import { exitWith, withConfigOption, withLinesOption } from './input/options.ts';
import type { Io } from './output/terminal.ts';

export function addConfig(root: Command, io: Io): void {
  const config = root
    .command('config')
    .description('check and describe the configuration file')
    .helpCommand(false);
  withConfigOption(config.command('check').description('list every error in the file, with line and column'))
    .option('--example', 'print an example configuration')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { configCheckCommand } = await import('./commands/config-check.ts');
      return exitWith(configCheckCommand(io, configFile(options), options));
    });
  withConfigOption(config.command('show <job>').description('print one job of the file'))
    .option('--expand', 'with its preset expanded')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  sos-ci config show --expand acme-iscsi\n')
    .action(async (job, options) => {
      const { configShowCommand } = await import('./commands/config-check.ts');
      return exitWith(configShowCommand(io, configFile(options), job, options));
    });
  withLinesOption(config.command('keys'))
    .description('list every key with its unit, default and meaning')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { configKeysCommand } = await import('./commands/config-check.ts');
      return exitWith(configKeysCommand(io, options));
    });
  config
    .command('schema')
    .description('the JSON Schema of the file, for editors')
    .action(async () => {
      const { configSchemaCommand } = await import('./commands/config-check.ts');
      return exitWith(configSchemaCommand(io));
    });
}
