#!/usr/bin/env node
/**
 * The command line. Says what there is and reads the words; each subcommand's own code is loaded only when it is asked
 * for, so that `status` and `--help` start at once.
 */
import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { configFile, stateDirectory, withReader } from './input/open-store.ts';
import {
  exitWith,
  parsePastTime,
  parsePositive,
  withConfigOption,
  withStoreOptions,
} from './input/options.ts';
import { addAlarms, addOperatorCommands } from './operator-commands.ts';
import { reportFailure, reportOutputFailure } from './output/error.ts';
import { EXIT } from './output/exit-codes.ts';
import { terminalIo } from './output/terminal.ts';

const io = terminalIo();
/** `run` is at work. */
let running = false;

function program(): Command {
  const root = new Command('sos-ci')
    .description('Third-party CI for OpenStack: hears of a patchset, tests it, reports to Gerrit, cleans up.')
    .version(manifest.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    // `alarms ack --json`: a flag belongs to the command that it stands behind.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: (text) => io.err(text), writeOut: (text) => io.out(text) })
    .showHelpAfterError('(sos-ci help shows what there is)')
    .addHelpText('after', EXAMPLES);
  addInit(root);
  addDoctor(root);
  addRunCommands(root);
  addQueries(root);
  addExplain(root);
  addEvents(root);
  addAlarms(root, io);
  addOperatorCommands(root, io);
  addMaintenance(root);
  addConfig(root);
  return root;
}

const EXAMPLES = `
Examples:
  sos-ci demo                        see a patchset travel, nothing needed
  sos-ci init                        a first configuration, keys, pinned host keys
  sos-ci doctor                      what still keeps it from working, and what to do
  sos-ci config check --example      a configuration to begin with
  sos-ci config check                every mistake in ./sos-ci.yaml at once
  sos-ci daemon --no-report          run, and post nothing
  sos-ci run acme-dsvm 912345,3      one job by hand; its verdict is the exit code
  sos-ci status                      is it there, and what does it do
  sos-ci job j1kf                    the story of one job
  sos-ci explain j1kf                why a job has its verdict
  sos-ci explain 912345              what would start on a change, and why
  sos-ci promote 912345              its jobs get the next slots

Exit codes: 0 yes, 1 no, 2 usage, 3 configuration, 4 database, 5 refused or out of reach, 130 interrupted;
run: 0 SUCCESS, 1 FAILURE, 10 TIMED_OUT, 11 NODE_FAILURE, 12 POST_FAILURE, 13 RETRY_LIMIT, 14 ABORTED
`;

/** The commands that do something. */
function addRunCommands(root: Command): void {
  withConfigOption(root.command('daemon').description('listen to Gerrit and run jobs until stopped'))
    .option('-n, --slots <n>', 'jobs at the same time, instead of the configured slots', parsePositive)
    .option('-m, --monitor-only', 'record events, start nothing')
    .option('--no-report', 'shadow: do everything but the post to Gerrit')
    .option(
      '--since <when>',
      'look at all from then on: 2h, 3d, 2026-11-22, 2026-11-22T17:00Z',
      parsePastTime,
    )
    .option('--drain', 'finish what runs, take nothing new, then end')
    .action(async (options) => {
      const { daemonCommand } = await import('./commands/daemon.ts');
      return exitWith(await daemonCommand(io, configFile(options), options));
    });
  withConfigOption(root.command('run <job> <change>').description('one job by hand, on CHANGE,PATCHSET'))
    .option('--no-report', 'do everything but the post to Gerrit')
    .addHelpText('after', '\nExample:\n  sos-ci run acme-dsvm 912345,3 --no-report\n')
    .action(async (job, change, options) => {
      const { runCommand } = await import('./commands/run.ts');
      running = true;
      return exitWith(await runCommand(io, configFile(options), job, change, options));
    });
  root
    .command('demo')
    .description('an embedded Gerrit, a sample project and the real daemon, on this host alone')
    .option('--keep', 'stay up afterwards, to play with')
    .action(async (options) => {
      const { demoCommand } = await import('./commands/demo.ts');
      return exitWith(await demoCommand(io, options));
    });
}

/** The commands that only ask. */
function addQueries(root: Command): void {
  withStoreOptions(
    root.command('status').description('the daemon, its connection, its work, its alarms'),
  ).action(async (options) => {
    const { statusCommand } = await import('./commands/status.ts');
    return exitWith(await withReader(options, (reader) => statusCommand(io, reader, options)));
  });
  withStoreOptions(root.command('jobs').description('jobs, newest first'))
    .option('--open', 'only those that have not ended')
    .option('--change <number>', 'only those of this change', parsePositive)
    .option('--limit <n>', 'at most so many', parsePositive, 50)
    .action(async (options) => {
      const { jobsCommand } = await import('./commands/jobs.ts');
      return exitWith(await withReader(options, (reader) => jobsCommand(io, reader, options)));
    });
  withStoreOptions(
    root.command('job <id>').description('the story of one job, by the first characters of its id'),
  )
    .addHelpText('after', '\nExample:\n  sos-ci job j1kf\n')
    .action(async (id, options) => {
      const { jobCommand } = await import('./commands/job.ts');
      return exitWith(await withReader(options, (reader) => jobCommand(io, reader, id, options)));
    });
  withStoreOptions(
    root
      .command('history <name>')
      .description('the rows of one history: stream, voting, or the id of a review or a job'),
  )
    .addHelpText('after', '\nExample:\n  sos-ci history stream\n')
    .action(async (name, options) => {
      const { historyCommand } = await import('./commands/history.ts');
      return exitWith(await withReader(options, (reader) => historyCommand(io, reader, name, options)));
    });
}

/** Gerrit's events as they came. */
function addEvents(root: Command): void {
  const events = root.command('events').description("Gerrit's events as they came").helpCommand(false);
  withConfigOption(
    events.command('export').description('print them, one a line, as explain --events reads them'),
  )
    .option('--json', 'print JSON (docs/cli.md)')
    .option('--since <when>', 'from then on: 2h, 3d, 2026-11-22, 2026-11-22T17:00Z', parsePastTime)
    .option('--until <when>', 'before then', parsePastTime)
    .option('--type <type>', 'only these: patchset-created, comment-added ...')
    .option('--change <number>', 'only of this change', parsePositive)
    .action(async (options) => {
      const { exportCommand } = await import('./commands/events.ts');
      return exitWith(await exportCommand(io, configFile(options), options));
    });
}

function addExplain(root: Command): void {
  withStoreOptions(
    root
      .command('explain [what]')
      .description('what starts on a change, or why a job has its verdict; changes nothing'),
  )
    .option('--events <file>', 'what the rules decide on these events; - is standard input')
    .option('--all', 'with --events: also print the events that never start anything')
    .addHelpText(
      'after',
      '\nExamples:\n  sos-ci explain 912345\n  sos-ci explain j1kf\n  sos-ci explain --events events.jsonl\n',
    )
    .action(async (what, options) => {
      const { explainCommand } = await import('./commands/explain.ts');
      return exitWith(await explainCommand(io, what, options));
    });
}

/** The commands that prove, copy and mend the store. */
function addMaintenance(root: Command): void {
  withStoreOptions(
    root.command('replay [id]').description('compute a history again from its facts, and compare'),
  )
    .option('--all', 'every history')
    .action(async (id, options) => {
      const { replayCommand } = await import('./commands/replay.ts');
      return exitWith(await withReader(options, (reader) => replayCommand(io, reader, id, options)));
    });
  withStoreOptions(
    root.command('verify').description('check hash chains, and all views against the log'),
  ).action(async (options) => {
    const { verifyCommand } = await import('./commands/verify.ts');
    return exitWith(await verifyCommand(io, await stateDirectory(options), options));
  });
  withStoreOptions(
    root.command('rebuild').description('make all views again from the log; the daemon must not run'),
  ).action(async (options) => {
    const { rebuildCommand } = await import('./commands/rebuild.ts');
    return exitWith(await rebuildCommand(io, await stateDirectory(options), options));
  });
  withStoreOptions(
    root.command('backup <file>').description('copy the database whole, also while the daemon runs'),
  ).action(async (file, options) => {
    const { backupCommand } = await import('./commands/backup.ts');
    return exitWith(await backupCommand(io, await stateDirectory(options), file, options));
  });
  root
    .command('confirm')
    .description('say that a restored or copied database is now the one to work with')
    .option('-c, --config <file>', 'configuration file')
    .option('--state <dir>', 'state directory, without any configuration')
    .option('--yes', 'do it; without this it only says what that means')
    .action(async (options) => {
      const { confirmCommand } = await import('./commands/confirm.ts');
      const directory = await stateDirectory(options);
      return exitWith(await withReader(options, (reader) => confirmCommand(io, directory, reader, options)));
    });
}

/** The way in: from nothing to a configuration that works. */
function addInit(root: Command): void {
  root
    .command('init [dir]')
    .description('write a first configuration, make keys, pin host keys')
    .option('--host <name>', 'the Gerrit server')
    .option('--port <n>', 'its SSH port', parsePositive)
    .option('--user <name>', "the CI account's user name there")
    .option('--name <text>', "the account's display name")
    .option('--wiki <address>', "the CI's page: how to rerun, whom to ask")
    .option('--project <name>', 'project to begin with')
    .option('--job <name>', 'name of the first job')
    .option('--kind <kind>', 'where jobs run: local, static or command')
    .option('--node <user@host[:port]>', 'static: the host that runs them, by SSH')
    .option('--program <file>', 'command: your program, called with create, list or delete')
    .option('--node-user <name>', 'command: user on its servers')
    .option('--allow-untrusted-code', 'local: run them on this host, whoever wrote them')
    .option('--key <file>', "the account's private key; made when it is not there")
    .option('--accept-host-key <fingerprint>', "Gerrit's, SHA256:..., which you have compared")
    .option('--accept-node-key <fingerprint>', "the node's")
    .option('--yes', 'ask nothing: take what is usual for what is not given')
    .addHelpText('after', INIT_EXAMPLE)
    .action(async (dir, options) => {
      const [{ initCommand }, { terminalPrompt }] = await Promise.all([
        import('./commands/init.ts'),
        import('./input/prompt.ts'),
      ]);
      const asking = terminalPrompt();
      try {
        return exitWith(await initCommand(io, dir ?? '.', options, asking));
      } finally {
        asking?.close();
      }
    });
}

/** What still keeps it from working. */
function addDoctor(root: Command): void {
  withConfigOption(
    root.command('doctor').description('what keeps it from working, and what to do; changes nothing'),
  )
    .option('--json', 'print JSON (docs/cli.md)')
    .addHelpText('after', '\nExit code 0: no failure; 1: at least one; 3: the configuration has mistakes.\n')
    .action(async (options) => {
      const { doctorCommand } = await import('./commands/doctor.ts');
      const exitCode = await doctorCommand(io, configFile(options), options);
      // When all is printed: what hangs on something half dead must not keep a person waiting.
      process.stdout.write('', (error) => error ?? process.exit(exitCode));
    });
}

const INIT_EXAMPLE = `
Writes DIR/sos-ci.yaml (here by default), and beside it gerrit-key, node-key and known_hosts. Asks for what is not given.
Nothing that is there is overwritten; no host key is pinned but one that you have compared.

Examples:
  sos-ci init
  sos-ci init --yes --user acme-ci --node stack@node1.acme.example --accept-host-key SHA256:...
`;

function addConfig(root: Command): void {
  const config = root.command('config').description('the configuration file').helpCommand(false);
  withConfigOption(config.command('check').description('every mistake in the file, each with its place'))
    .option('--example', 'print a configuration to begin with')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { configCheckCommand } = await import('./commands/config-check.ts');
      return exitWith(configCheckCommand(io, configFile(options), options));
    });
  config
    .command('keys')
    .description('every key with its unit, default and meaning')
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

process.stdout.once('error', (error) => {
  const exitCode = reportOutputFailure(io, error, process.exitCode);
  // A job by hand goes on: its verdict is the answer, and what its stages print is in its logs.
  if (!running) process.exit(exitCode);
});
// Further errors say the same.
process.stdout.on('error', () => undefined);
// The daemon goes on without its log, and a question still has its answer.
process.stderr.on('error', () => undefined);
try {
  await program().parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) exitWith(thrown.exitCode === 0 ? EXIT.ok : EXIT.usage);
  else exitWith(reportFailure(io, thrown));
}
