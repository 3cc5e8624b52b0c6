/** Declares the commands that show how machines work and what histories did: `replay`, pictures and analyses. */
import { type Command, Option } from 'commander';
import { FORMATS } from './diagram/render.ts';
import { withReader } from './input/open-store.ts';
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

export function addReplay(root: Command, io: Io): void {
  withAnalyses(
    withStoreOptions(
      root.command('replay [id]').description('recompute a history from its events and compare'),
    ),
  )
    .option('--all', 'replay every history')
    .option('--file <file>', 'replay an archive file, all of it or the histories whose name begins with id')
    .option(
      '--at <moment>',
      'instead, show the history as it was then: a row of the log (4711), a time, 2h (ago), +1h30m (after its start)',
    )
    .option('--until <state>', 'instead, show it when it first came to this state: testing, testing.running')
    .option('--step', 'instead, play the history on the terminal; --at and --until say where it begins')
    .addHelpText(
      'after',
      '\nExamples:\n  sos-ci replay j1kf\n  sos-ci replay j1kf --step\n  sos-ci replay j1kf --at +1h30m\n  sos-ci replay j1kf --until testing\n  sos-ci replay j1kf --format svg > j1kf.svg\n',
    )
    .action(async (id, options) => {
      if (options.step) {
        const { replayStepCommand } = await import('./commands/replay-step.ts');
        return exitWith(await replayStepCommand(io, id, options));
      }
      const { analyseCommand, analysisOf } = await import('./commands/analyse.ts');
      const analysis = analysisOf(options);
      if (analysis !== null) return exitWith(await analyseCommand(io, analysis, id, options));
      if (options.at !== undefined || options.until !== undefined) {
        const { replayMomentCommand } = await import('./commands/replay-moment.ts');
        return exitWith(await replayMomentCommand(io, id, options));
      }
      const { replayCommand, replayFileCommand } = await import('./commands/replay.ts');
      if (options.file !== undefined) return exitWith(await replayFileCommand(io, options.file, id, options));
      return exitWith(await withReader(options, (reader) => replayCommand(io, reader, id, options)));
    });
}

/** The options of `replay` that each choose an analysis. */
function withAnalyses(replay: Command): Command {
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
