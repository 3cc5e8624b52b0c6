/** The commands that the running daemon carries out, as words and flags; what each does is loaded when it is asked for. */
import type { Command } from 'commander';
import type { Target } from '../engine/ports/operator-api.ts';
import type { SendRequest } from './input/daemon-client.ts';
import { type StoreLocation, stateDirectory, withReader } from './input/open-store.ts';
import { exitWith, parseTimeout, withStoreOptions } from './input/options.ts';
import { CliError, EXIT } from './output/exit-codes.ts';
import type { Io } from './output/terminal.ts';

export function addOperatorCommands(root: Command, io: Io): void {
  withDaemon(root.command('enqueue <change> [job...]'), ['912345', '912345,3 acme-dsvm --reason "for alice"'])
    .description(
      'run jobs on a change, or on CHANGE,PATCHSET, whatever the rules say; none named: all of its project and branch',
    )
    .action(async (change, jobs, options) => {
      const { enqueueCommand } = await import('./commands/enqueue.ts');
      return exitWith(await enqueueCommand(io, await connect(options), change, jobs, options));
    });
  withDaemon(root.command('dequeue <what>'), ['912345', '912345,3', 'j1kf'])
    .description('end a job, or all jobs of a change or of CHANGE,PATCHSET, queued or running')
    .action(async (what, options) => {
      const { dequeueCommand } = await import('./commands/dequeue.ts');
      const [target] = await parseTargets([what], options);
      if (target !== undefined) exitWith(await dequeueCommand(io, await connect(options), target, options));
    });
  withDaemon(root.command('promote <what...>'), ['912345', '912345 912400', 'j1kf'])
    .description('put jobs, or the jobs of changes, at the head of the queue, the first named first')
    .action(async (what, options) => {
      const { promoteCommand } = await import('./commands/dequeue.ts');
      const targets = await parseTargets(what, options);
      return exitWith(await promoteCommand(io, await connect(options), targets, options));
    });
  withDaemon(root.command('recheck <change>'), ['912345'])
    .description('run the jobs that the rules choose when somebody asks this CI to run on the change')
    .action(async (change, options) => {
      const { recheckCommand } = await import('./commands/enqueue.ts');
      return exitWith(await recheckCommand(io, await connect(options), change, options));
    });
  withDaemon(root.command('reload'), ['', '--json'])
    .description('have the configuration read anew; with a mistake in it nothing changes')
    .action(async (options) => {
      const { reloadCommand } = await import('./commands/reload.ts');
      return exitWith(await reloadCommand(io, await connect(options), options));
    });
  withDaemon(root.command('resume-voting'), ['--reason "the mirror is back"'])
    .description('vote again, after too many failures in a row have stopped that')
    .action(async (options) => {
      const { resumeVotingCommand } = await import('./commands/reload.ts');
      return exitWith(await resumeVotingCommand(io, await connect(options), options));
    });
}

/** Lists them, and acknowledges them through the daemon. */
export function addAlarms(root: Command, io: Io): void {
  const alarms = withStoreOptions(
    root.command('alarms').description('what needs an operator, each with an id'),
  )
    .enablePositionalOptions()
    .helpCommand(false)
    .action(async (options) => {
      const { alarmsCommand } = await import('./commands/alarms.ts');
      return exitWith(await withReader(options, (reader) => alarmsCommand(io, reader, options)));
    });
  withDaemon(alarms.command('ack [id]'), ['4f1a85c8', '--all --reason "the array is replaced"'])
    .description('say that an alarm was seen: status shows who did; the first characters of its id will do')
    .option('--all', 'all alarms')
    .action(async (id, options) => {
      const { acknowledgeCommand, findAlarm } = await import('./commands/alarms.ts');
      if ((id === undefined) === (options.all !== true))
        throw new CliError(EXIT.usage, 'name one alarm by its id, or --all', 'list them: sos-ci alarms');
      const alarm = id === undefined ? null : await withReader(options, (reader) => findAlarm(reader, id));
      return exitWith(await acknowledgeCommand(io, await connect(options), alarm, options));
    });
}

type DaemonFlags = StoreLocation & { readonly reason?: string; readonly timeout: number };

async function connect(options: DaemonFlags): Promise<SendRequest> {
  const { requestSender } = await import('./input/daemon-client.ts');
  return requestSender(await stateDirectory(options), options);
}

async function parseTargets(args: readonly string[], options: DaemonFlags): Promise<readonly Target[]> {
  const { tryParseChange, parseTarget } = await import('./input/parse-target.ts');
  const changes = args.flatMap((arg) => tryParseChange(arg) ?? []);
  // Without ids of jobs there is nothing to look up.
  if (changes.length === args.length) return changes;
  return withReader(options, (reader) => args.map((arg) => parseTarget(arg, reader)));
}

/** @param examples what may follow the command's name */
function withDaemon(command: Command, examples: readonly string[]): Command {
  const name = command.parent?.parent ? `${command.parent.name()} ${command.name()}` : command.name();
  const lines = examples.map((args) => `  sos-ci ${name} ${args}`.trimEnd());
  return withStoreOptions(command)
    .option('-r, --reason <text>', 'why; it stands in the log, with the name of your user on this host')
    .option('--timeout <duration>', 'how long to wait for the answer', parseTimeout, 180_000)
    .addHelpText('after', `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}\n`);
}
