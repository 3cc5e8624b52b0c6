/** Declares the commands that show how machines work and what histories did: pictures and analyses. */
import { type Command, Option } from 'commander';
import { FORMATS } from './diagram/render.ts';
import { exitWith, withStoreOptions } from './input/options.ts';
import type { Io } from './output/terminal.ts';

export function addAnalyses(root: Command, io: Io): void {
  root
    .command('graph [machine]')
    .description('print a state machine as a picture; without a name, list the machines')
    .addOption(formatOption())
    .option('--json', 'print JSON (docs/cli.md)')
    .addHelpText('after', '\nExample:\n  sos-ci graph job --format svg > job.svg\n')
    .action(async (machine, options) => {
      const { graphCommand } = await import('./commands/graph.ts');
      return exitWith(await graphCommand(io, machine, options));
    });
  withStoreOptions(
    root
      .command('export <id> [file]')
      .description('write a history with its logs and configuration, without secrets, into one file'),
  )
    .addHelpText('after', '\nExample:\n  sos-ci export j1kf j1kf.jsonl.gz\n')
    .action(async (id, file, options) => {
      const { exportCommand } = await import('./commands/export.ts');
      return exitWith(await exportCommand(io, id, file, options));
    });
}

/** The options of `replay` that each choose an analysis. */
export function withAnalyses(replay: Command): Command {
  return replay
    .addOption(formatOption())
    .option('--gantt', 'as a picture, show when it was in each state')
    .option('--machine <version>', 'what would another version of the machine do with its events: job@2')
    .option('--what-if <event>', 'what would the machine do with this event, as JSON or by its name')
    .option(
      '--diff <other>',
      'where do this history and another one part, and how long were they in each state',
    );
}

function formatOption(): Option {
  return new Option('--format <format>', 'print a picture: mermaid (default), dot or svg').choices(FORMATS);
}
