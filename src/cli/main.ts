#!/usr/bin/env node
/**
 * The command line: declares every command and parses its arguments. Loads a command's code only when it runs, so that
 * `status` and `--help` start fast.
 */
import { Argument, Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { addAnalyses, addReplay } from './analysis-commands.ts';
import { addConfig } from './config-commands.ts';
import { configFile, namedStateDirectory, stateDirectory, withReader } from './input/open-store.ts';
import {
  collect,
  exitWith,
  parsePastTime,
  parsePositive,
  withConfigOption,
  withLinesOption,
  withStoreOptions,
  withTableOptions,
} from './input/options.ts';
import type { Watch } from './input/watch.ts';
import { addAlarms, addLeaks, addOperatorCommands } from './operator-commands.ts';
import { reportFailure, reportOutputFailure } from './output/error.ts';
import { EXIT } from './output/exit-codes.ts';
import { type ListFormat, terminalIo } from './output/terminal.ts';
import { addQueries, ONCE, watching } from './query-commands.ts';

const format: ListFormat = { jsonl: false, header: true };
const io = terminalIo(format);
/** True while `run` or `boot-test` runs. */
let running = false;

function program(): Command {
  const root = new Command('sos-ci')
    .description(
      'Third-party CI for OpenStack: listens to Gerrit, tests each patchset, posts a review, cleans up.',
    )
    .version(manifest.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    // In `alarms ack --json`, the option belongs to `ack` and not to `alarms`.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: (text) => io.err(text), writeOut: (text) => io.out(text) })
    .showHelpAfterError('(list all commands: sos-ci help)')
    .hook('preAction', (_root, command) => {
      const { jsonl = false, header = true } = command.opts();
      Object.assign(format, { jsonl, header });
    })
    .addHelpText('after', EXAMPLES);
  addInit(root);
  addDoctor(root);
  addSetup(root);
  addBootTest(root);
  addRunCommands(root);
  addQueries(root, io);
  addExplain(root);
  addEvents(root);
  addAlarms(root, io);
  addOperatorCommands(root, io);
  addLeaks(root, io);
  addReplay(root, io);
  addMaintenance(root);
  addAnalyses(root, io);
  addConfig(root, io);
  addCompletion(root);
  addSchema(root);
  return root;
}

const EXAMPLES = `
Examples:
  sos-ci demo                        run the whole system on this host; needs no account
  sos-ci init                        write a first configuration, create keys, pin host keys
  sos-ci doctor                      check everything that a job needs
  sos-ci boot-test lab               boot one server of the provider lab, and delete it
  sos-ci config check --example      print an example configuration
  sos-ci config check                list every error in ./sos-ci.yaml
  sos-ci daemon --no-report          run jobs but post nothing
  sos-ci run acme-dsvm 912345,3      run one job; its verdict is the exit code
  sos-ci status                      show the daemon, its work and its alarms
  sos-ci job j1kf                    show the history of one job
  sos-ci explain j1kf                show why a job has its verdict
  sos-ci explain 912345              show what would start on a change, and why
  sos-ci promote 912345              give the change's jobs the next slots
  sos-ci hold 912345 --hours 12      keep the server of the change's next failed job for debugging

Exit codes: 0 yes, 1 no, 2 usage, 3 configuration, 4 database, 5 refused or unreachable, 124 wait timed out,
130 interrupted; run, wait: 0 SUCCESS, 1 FAILURE, 10 TIMED_OUT, 11 NODE_FAILURE, 12 POST_FAILURE, 13 RETRY_LIMIT, 14 ABORTED,
15 MERGER_FAILURE, 16 SKIPPED
`;

/** The commands that run jobs. */
function addRunCommands(root: Command): void {
  withConfigOption(root.command('daemon').description('listen to Gerrit and run jobs until stopped'))
    .option(
      '-n, --slots <n>',
      'run at most this many jobs at a time on each provider, instead of its slots',
      parsePositive,
    )
    .option('-m, --monitor-only', 'record events but start nothing')
    .option('--no-report', 'shadow mode: do everything except posting to Gerrit')
    .option(
      '--since <when>',
      'catch up from this time on: 2h, 3d, 2026-11-22, 2026-11-22T17:00Z',
      parsePastTime,
    )
    .option('--drain', 'finish running jobs, accept no new events, then exit')
    .action(async (options) => {
      const { daemonCommand } = await import('./commands/daemon.ts');
      return exitWith(await daemonCommand(io, configFile(options), options));
    });
  withConfigOption(root.command('run <job> <change>').description('run one job on CHANGE,PATCHSET'))
    .option('--no-report', 'do everything except posting to Gerrit')
    .addHelpText('after', '\nExample:\n  sos-ci run acme-dsvm 912345,3 --no-report\n')
    .action(async (job, change, options) => {
      const { runCommand } = await import('./commands/run.ts');
      running = true;
      return exitWith(await runCommand(io, configFile(options), job, change, options));
    });
  root
    .command('demo')
    .description('run the real daemon with an embedded Gerrit and a sample project, on this host only')
    .option('--keep', 'keep everything running afterwards')
    .action(async (options) => {
      const { demoCommand } = await import('./commands/demo.ts');
      return exitWith(await demoCommand(io, options));
    });
}

/** The log, and the archived Gerrit events. */
function addEvents(root: Command): void {
  const events = withTableOptions(
    withStoreOptions(
      root
        .command('events')
        .description('list the newest rows of the log: what happened to all jobs and reviews'),
    ),
  )
    .enablePositionalOptions()
    .helpCommand(false)
    .option('-f, --follow', 'print what is added, until Ctrl-C')
    .option('--history <name>', 'only histories whose names begin so')
    .option('--limit <n>', 'list at most this many', parsePositive, 20)
    .addHelpText('after', '\nExample:\n  sos-ci events --follow\n')
    .action(async (options) => {
      const { eventsCommand } = await import('./commands/log-events.ts');
      const run = (watch: Watch) =>
        withReader(options, (reader) => eventsCommand(io, reader, options, watch));
      return exitWith(await (options.follow ? watching(run) : run(ONCE)));
    });
  withConfigOption(
    events
      .command('export')
      .description(
        "print the archived events of Gerrit's stream, one a line, as explain --events reads them",
      ),
  )
    .option('--json', 'print JSON (docs/cli.md)')
    .option('--since <when>', 'from this time on: 2h, 3d, 2026-11-22, 2026-11-22T17:00Z', parsePastTime)
    .option('--until <when>', 'before this time', parsePastTime)
    .option('--type <type>', 'only events of this type: patchset-created, comment-added ...')
    .option('--change <number>', 'only events of this change', parsePositive)
    .action(async (options) => {
      const { exportCommand } = await import('./commands/events.ts');
      return exitWith(await exportCommand(io, configFile(options), options));
    });
}

function addExplain(root: Command): void {
  withStoreOptions(
    root
      .command('explain [what]')
      .description('show what starts on a change, or why a job has its verdict; changes nothing'),
  )
    .option('--events <file>', 'show what the rules decide on these events; - is standard input')
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

/** The commands that verify, copy and repair the database. */
function addMaintenance(root: Command): void {
  withStoreOptions(
    root.command('verify').description('check the hash chains, and all views against the log'),
  ).action(async (options) => {
    const { verifyCommand } = await import('./commands/verify.ts');
    return exitWith(await verifyCommand(io, await stateDirectory(options), options));
  });
  withStoreOptions(
    root.command('rebuild').description('rebuild all views from the log; stop the daemon first'),
  ).action(async (options) => {
    const { rebuildCommand } = await import('./commands/rebuild.ts');
    return exitWith(await rebuildCommand(io, await stateDirectory(options), options));
  });
  withStoreOptions(
    root.command('backup <file>').description('copy the database, even while the daemon is running'),
  ).action(async (file, options) => {
    const { backupCommand } = await import('./commands/backup.ts');
    return exitWith(await backupCommand(io, await stateDirectory(options), file, options));
  });
  root
    .command('confirm')
    .description('accept a restored or copied database as the one in use')
    .option('-c, --config <file>', 'configuration file')
    .option('--state <dir>', 'state directory; needs no configuration')
    .option('--yes', 'confirm; without it, only print what confirming means')
    .action(async (options) => {
      const { confirmCommand } = await import('./commands/confirm.ts');
      const directory = await stateDirectory(options);
      return exitWith(await withReader(options, (reader) => confirmCommand(io, directory, reader, options)));
    });
}

function addInit(root: Command): void {
  root
    .command('init [dir]')
    .description('write a first configuration, create keys, pin host keys')
    .option(
      '--from-zuul <file>',
      'instead, print a job of this .zuul.yaml as a job for sos-ci.yaml: init --from-zuul FILE JOB',
    )
    .option('--host <name>', 'the Gerrit server')
    .option('--port <n>', "the Gerrit server's SSH port", parsePositive)
    .option('--user <name>', "user name of the CI's account")
    .option('--name <text>', "display name of the CI's account")
    .option('--wiki <address>', 'wiki page of the CI: how to rerun, whom to contact')
    .option('--project <name>', 'the first project')
    .option('--job <name>', 'name of the first job')
    .option('--label <name>', 'vote +1 or -1 on this label; without it, the CI does not vote')
    .option('--kind <kind>', 'where jobs run: local, static, command or openstack')
    .option('--node <user@host[:port]>', 'static: the host that runs jobs, over SSH')
    .option('--program <file>', 'command: your program; it is called with create, list or delete')
    .option('--node-user <name>', 'command: the user on its servers')
    .option('--cloud <name>', 'openstack: the cloud, as it is named in clouds.yaml')
    .option('--openrc <file>', 'openstack: the openrc file of the cloud, instead of --cloud')
    .option('--image <name>', 'openstack: the image of the servers')
    .option('--flavor <name>', 'openstack: the flavor of the servers')
    .option('--network <name>', 'openstack: the network of the servers (default: private)')
    .option('--driver <class>', 'a job with DevStack and Tempest for this Cinder driver')
    .option('--driver-option <key=value>', 'with --driver: one of its options, repeatable', collect)
    .option('--tests <regex>', "with --driver: Tempest's tests (default: volume)")
    .option('--concurrency <n>', 'with --driver: tests at the same time (default: 4)', parsePositive)
    .option('--git-mirror <url>', 'with --driver: the git mirror of servers without Internet access')
    .option('--allow-untrusted-code', 'local: run code from any patch on this host')
    .option('--key <file>', "the account's private key; created if missing")
    .option('--accept-host-key <fingerprint>', "Gerrit's host key, SHA256:..., after you compared it")
    .option('--accept-node-key <fingerprint>', "the node's host key")
    .option('--yes', 'ask nothing: use the defaults for missing options')
    .addHelpText('after', INIT_EXAMPLE)
    .action(async (dir, options) => {
      if (options.fromZuul !== undefined) {
        const { fromZuulCommand } = await import('./commands/init.ts');
        return exitWith(fromZuulCommand(io, options.fromZuul, dir, options.project));
      }
      const [{ initCommand }, { terminalPrompt }] = await Promise.all([
        import('./commands/init.ts'),
        import('./input/prompt.ts'),
      ]);
      const prompt = terminalPrompt();
      try {
        return exitWith(await initCommand(io, dir ?? '.', options, prompt));
      } finally {
        prompt?.close();
      }
    });
}

function addCompletion(root: Command): void {
  root
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', '\nExample, in ~/.bashrc:\n  source <(sos-ci completion bash)\n')
    .action(async (shell) => {
      const { completionCommand } = await import('./commands/completion.ts');
      completionCommand(shell);
    });
  root
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words) => {
      const { completeCommand } = await import('./commands/completion.ts');
      await completeCommand(root, words);
    });
}

function addSchema(root: Command): void {
  root
    .command('schema [command...]')
    .description('print the JSON Schema of what a command prints with --json; without COMMAND, list all')
    // In `schema log --failed`, the option belongs to the name.
    .allowUnknownOption()
    .addHelpText('after', '\nExample:\n  sos-ci schema jobs\n')
    .action(async (words) => {
      const { schemaCommand } = await import('./commands/schema.ts');
      return exitWith(schemaCommand(io, words));
    });
}

function addDoctor(root: Command): void {
  withLinesOption(
    withConfigOption(
      root
        .command('doctor')
        .description('check everything that a job needs, and say how to fix it; changes nothing'),
    ),
  )
    .option('--all', 'print what is ok too')
    .option('--json', 'print JSON (docs/cli.md)')
    .addHelpText('after', '\nExit code 0: no failure; 1: at least one; 3: the configuration has errors.\n')
    .action(async (options) => {
      const { doctorCommand } = await import('./commands/doctor.ts');
      const exitCode = await doctorCommand(io, configFile(options), options);
      // Exits as soon as the output is written: a check that still hangs must not delay the exit.
      process.stdout.write('', (error) => error ?? process.exit(exitCode));
    });
}

function addSetup(root: Command): void {
  const setup = root.command('setup').description('install programs that stages need').helpCommand(false);
  withStoreOptions(
    setup
      .command('ansible')
      .description('install the Ansible that runs playbooks, below the state directory'),
  )
    .option('--python <program>', 'the Python to use, 3.11 or newer', 'python3')
    .action(async (options) => {
      const { setupAnsibleCommand } = await import('./commands/setup-ansible.ts');
      return exitWith(await setupAnsibleCommand(io, await namedStateDirectory(options), options));
    });
}

function addBootTest(root: Command): void {
  withConfigOption(
    root
      .command('boot-test <provider>')
      .description('boot one server, log in and delete it, with the time of each step'),
  )
    .option('--json', 'print JSON (docs/cli.md)')
    .addHelpText('after', '\nExample:\n  sos-ci boot-test lab\n')
    .action(async (provider, options) => {
      const { bootTestCommand } = await import('./commands/boot-test.ts');
      running = true;
      return exitWith(await bootTestCommand(io, configFile(options), provider, options));
    });
}

const INIT_EXAMPLE = `
Writes DIR/sos-ci.yaml (default: the current directory) with gerrit-key, node-key and known_hosts beside it, and asks for
missing options. Never overwrites a file. Pins only a host key that you have compared.

Examples:
  sos-ci init
  sos-ci init --yes --user acme-ci --node stack@node1.acme.example --accept-host-key SHA256:...
  sos-ci init --yes --user acme-ci --openrc lab-openrc.sh --driver cinder.volume.drivers.acme.AcmeDriver --driver-option san_ip=192.0.2.10
  sos-ci init --from-zuul cinder/.zuul.yaml acme-iscsi --project openstack/cinder
`;

process.stdout.once('error', (error) => {
  const exitCode = reportOutputFailure(io, error, process.exitCode);
  // `run` continues, because its exit code is the verdict, and `boot-test`, because it must delete its server.
  if (!running) process.exit(exitCode);
});
// Later errors repeat the first one.
process.stdout.on('error', () => undefined);
// The daemon continues without its log, and a query still prints its result.
process.stderr.on('error', () => undefined);
try {
  await program().parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) exitWith(thrown.exitCode === 0 ? EXIT.ok : EXIT.usage);
  else exitWith(reportFailure(io, thrown));
}
