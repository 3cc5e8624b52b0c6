/** Declares the operators' commands, most of which the running daemon carries out. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Target } from '../engine/ports/operator-api.ts';
import { formatLimit } from '../machines/model/duration.ts';
import type { RequestLeaks } from './commands/leaks.ts';
import type { SendRequest } from './input/daemon-client.ts';
import {
  configFile,
  daemonRuns,
  type StoreLocation,
  stateDirectory,
  withReader,
} from './input/open-store.ts';
import {
  exitWith,
  parseTimeout,
  withConfigOption,
  withLinesOption,
  withStoreOptions,
  withTableOptions,
} from './input/options.ts';
import { CliError, EXIT } from './output/exit-codes.ts';
import type { Io } from './output/terminal.ts';

export function addOperatorCommands(root: Command, io: Io): void {
  addHolds(root, io);
  addJanitors(root, io);
  withDaemon(root.command('enqueue <change> [job...]'), ['912345', '912345,3 acme-dsvm --reason "for alice"'])
    .description(
      'run jobs on a change or on CHANGE,PATCHSET regardless of the rules; default: all jobs of its project and branch',
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
    .description('move jobs, or the jobs of changes, to the head of the queue, in the given order')
    .action(async (what, options) => {
      const { promoteCommand } = await import('./commands/dequeue.ts');
      const targets = await parseTargets(what, options);
      return exitWith(await promoteCommand(io, await connect(options), targets, options));
    });
  withDaemon(root.command('recheck <change>'), ['912345'])
    .description('run the jobs that a comment "run-ACCOUNT" would start on the change')
    .action(async (change, options) => {
      const { recheckCommand } = await import('./commands/enqueue.ts');
      return exitWith(await recheckCommand(io, await connect(options), change, options));
    });
  withDaemon(root.command('reload'), ['', '--json'])
    .description('reload the configuration; if it has errors, nothing changes')
    .action(async (options) => {
      const { reloadCommand } = await import('./commands/reload.ts');
      return exitWith(await reloadCommand(io, await connect(options), options));
    });
  withDaemon(root.command('resume-voting'), ['--reason "the mirror is back"'])
    .description('vote again after too many failures in a row stopped voting')
    .action(async (options) => {
      const { resumeVotingCommand } = await import('./commands/reload.ts');
      return exitWith(await resumeVotingCommand(io, await connect(options), options));
    });
}

/** Removals are performed a few at a time, and each may take minutes. */
const GC_TIMEOUT_MS = 900_000;

/** Through the daemon if it runs; without one, this process does it. */
export function addLeaks(root: Command, io: Io): void {
  withTimeout(withTableOptions(withStoreOptions(root.command('leaks'))))
    .description('list resources with our mark that no job uses any more; changes nothing')
    .action(async (options) => {
      const { leaksCommand } = await import('./commands/leaks.ts');
      return exitWith(await leaksCommand(io, await requestLeaks(io, options), options));
    });
  withDaemon(
    withTableOptions(root.command('gc')),
    ['--dry-run', '--reason "the quota is full"'],
    GC_TIMEOUT_MS,
  )
    .description('remove resources with our mark that no job uses any more, instead of waiting for the sweep')
    .option('-n, --dry-run', 'list what would be removed')
    .action(async (options) => {
      const { gcCommand } = await import('./commands/leaks.ts');
      return exitWith(await gcCommand(io, await requestLeaks(io, options), options));
    });
}

async function requestLeaks(io: Io, options: DaemonFlags): Promise<RequestLeaks> {
  if (await withReader(options, (reader) => daemonRuns(reader, io))) return connect(options);
  if (options.state !== undefined && options.config === undefined)
    throw new CliError(
      EXIT.refused,
      'no daemon is running for this state directory, so the providers are needed',
      'name the configuration: --config FILE',
    );
  const { leaksHere } = await import('./commands/leaks.ts');
  return leaksHere(configFile(options), options);
}

function addHolds(root: Command, io: Io): void {
  withDaemon(root.command('hold <what> [job]'), [
    '912345 --hours 12 --reason "look at the failed detach"',
    '912345 acme-dsvm',
    'j1kf',
  ])
    .description(
      'keep the server for debugging: of the next job of a change that fails, or of one job however it ends',
    )
    .addOption(
      new Option('--hours <number>', 'how long to keep it').argParser(parseHours).default(12 * HOUR_MS, '12'),
    )
    .action(async (what, job, options) => {
      const { holdCommand, parseHold } = await import('./commands/holds.ts');
      const target = await withReader(options, (reader) => parseHold(what, job, reader));
      const request = { target, durationMs: options.hours };
      return exitWith(await holdCommand(io, await connect(options), request, options));
    });
  withDaemon(root.command('release <what>'), ['h1kf', '912345'])
    .description('end a hold, or all holds of a change, and delete the server')
    .action(async (what, options) => {
      const { parseRelease, releaseCommand } = await import('./commands/holds.ts');
      const target = await withReader(options, (reader) => parseRelease(what, reader));
      return exitWith(await releaseCommand(io, await connect(options), target, options));
    });
}

function addJanitors(root: Command, io: Io): void {
  withDaemon(root.command('clean <janitor>'), ['array1 --reason "the pool is full"'])
    .description('let a janitor clean as soon as no job uses its back ends')
    .action(async (janitor, options) => {
      const { cleanCommand } = await import('./commands/janitors.ts');
      return exitWith(await cleanCommand(io, await connect(options), janitor, options));
    });
  const janitors = withLinesOption(
    withStoreOptions(root.command('janitors').description('list janitors with their last cleaning')),
  )
    .enablePositionalOptions()
    .helpCommand(false)
    .action(async (options) => {
      const { janitorsCommand } = await import('./commands/janitors.ts');
      return exitWith(await withReader(options, (reader) => janitorsCommand(io, reader, options)));
    });
  withConfigOption(janitors.command('save <janitor>'))
    .description('save the state of the clean cloud: tempest cleanup deletes only what is not in it')
    .option('--json', 'print JSON (docs/cli.md)')
    .addHelpText('after', '\nExample:\n  sos-ci janitors save cloud\n')
    .action(async (janitor, options) => {
      const { saveStateCommand } = await import('./commands/save-state.ts');
      return exitWith(await saveStateCommand(io, configFile(options), janitor, options));
    });
}

export function addAlarms(root: Command, io: Io): void {
  const alarms = withTableOptions(
    withStoreOptions(root.command('alarms').description('list alarms with their ids')),
  )
    .enablePositionalOptions()
    .helpCommand(false)
    .action(async (options) => {
      const { alarmsCommand } = await import('./commands/alarms.ts');
      return exitWith(await withReader(options, (reader) => alarmsCommand(io, reader, options)));
    });
  withDaemon(alarms.command('ack [id]'), ['4f1a85c8', '--all --reason "the array is replaced"'])
    .description('acknowledge an alarm; the first characters of its id are enough')
    .option('--all', 'all alarms')
    .action(async (id, options) => {
      const { acknowledgeCommand, findAlarm } = await import('./commands/alarms.ts');
      if ((id === undefined) === (options.all !== true))
        throw new CliError(EXIT.usage, 'name one alarm by its id, or use --all', 'list them: sos-ci alarms');
      const alarm = id === undefined ? null : await withReader(options, (reader) => findAlarm(reader, id));
      return exitWith(await acknowledgeCommand(io, await connect(options), alarm, options));
    });
}

const HOUR_MS = 3_600_000;

/** Milliseconds. The daemon knows the limit. */
function parseHours(text: string): number {
  const hours = /^\d{1,4}(\.\d{1,2})?$/.test(text) ? Number(text) : 0;
  if (hours > 0) return Math.round(hours * HOUR_MS);
  throw new InvalidArgumentError('Write it as 12 or 0.5.');
}

type DaemonFlags = StoreLocation & { readonly reason?: string; readonly timeout: number };

async function connect(options: DaemonFlags): Promise<SendRequest> {
  const { requestSender } = await import('./input/daemon-client.ts');
  return requestSender(await stateDirectory(options), options);
}

async function parseTargets(args: readonly string[], options: DaemonFlags): Promise<readonly Target[]> {
  const { tryParseChange } = await import('./input/parse-change.ts');
  const changes = args.flatMap((arg) => tryParseChange(arg) ?? []);
  // Only job ids need the database.
  if (changes.length === args.length) return changes;
  const { parseTarget } = await import('./input/parse-target.ts');
  return withReader(options, (reader) => args.map((arg) => parseTarget(arg, reader)));
}

/** @param examples arguments for the examples in the help text */
function withDaemon(command: Command, examples: readonly string[], timeoutMs?: number): Command {
  const name = command.parent?.parent ? `${command.parent.name()} ${command.name()}` : command.name();
  const lines = examples.map((args) => `  sos-ci ${name} ${args}`.trimEnd());
  return withTimeout(
    withStoreOptions(command).option('-r, --reason <text>', 'why; the log records it with your user name'),
    timeoutMs,
  ).addHelpText('after', `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}\n`);
}

function withTimeout(command: Command, defaultMs = 180_000) {
  const option = new Option('--timeout <duration>', 'how long to wait for the daemon');
  return command.addOption(option.argParser(parseTimeout).default(defaultMs, formatLimit(defaultMs)));
}
