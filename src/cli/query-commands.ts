/** Declares the commands that only read the database. */
import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { JOB_ORDERS, type JobQuery } from '../engine/ports/store.ts';
import { STAGES } from '../machines/model/domain.ts';
import { VERDICTS } from '../machines/model/verdict.ts';
import { sleep } from '../timer.ts';
import { configFile, type StoreLocation, stateDirectory, withReader } from './input/open-store.ts';
import {
  exitWith,
  parsePastTime,
  parsePositive,
  parseTimeout,
  withLinesOption,
  withStoreOptions,
  withTableOptions,
} from './input/options.ts';
import type { Watch } from './input/watch.ts';
import { type Io, untilInterrupted } from './output/terminal.ts';

/** For a command that prints once: Ctrl-C ends the process. */
export const ONCE: Watch = { signal: new AbortController().signal, sleep };

/** Runs a command that Ctrl-C ends, with exit code 0. */
export function watching<T>(run: (watch: Watch) => Promise<T>): Promise<T> {
  return untilInterrupted((signal) => run({ signal, sleep: (ms) => sleep(ms, signal) }));
}

export function addQueries(root: Command, io: Io): void {
  withStoreOptions(
    root.command('status').description('show the daemon, its connection, its work and its alarms'),
  ).action(async (options) => {
    const { statusCommand } = await import('./commands/status.ts');
    return exitWith(await withReader(options, (reader) => statusCommand(io, reader, options)));
  });
  addJobs(root, io);
  withStoreOptions(
    root
      .command('job <id>')
      .description('show the history of one job; the first characters of its id are enough'),
  )
    .addHelpText('after', '\nExample:\n  sos-ci job j1kf\n')
    .action(async (id, options) => {
      const { findJobCommand } = await import('./commands/job.ts');
      const directory = await stateDirectory(options);
      return exitWith(
        await withReader(options, (reader) => findJobCommand(io, directory, reader, id, options)),
      );
    });
  addWait(root, io);
  addTests(root, io);
  addLog(root, io);
  withTableOptions(withStoreOptions(root.command('stats').description('print statistics of the lab')))
    .requiredOption('--stack-time', 'median and 90th percentile of the time that stacking took')
    .option('--job <name>', 'only this job')
    .option('--provider <name>', 'only this provider')
    .option('--since <when>', 'only what ended since then: 30d, 2026-11-22', parsePastTime)
    .addHelpText('after', '\nExample:\n  sos-ci stats --stack-time --since 30d\n')
    .action(async (options) => {
      const { statsCommand } = await import('./commands/stats.ts');
      return exitWith(await withReader(options, (reader) => statsCommand(io, reader, options)));
    });
  withLinesOption(
    withStoreOptions(
      root.command('holds').description('list servers that are kept for debugging, with their ssh commands'),
    ),
  )
    .option('--utc', 'print UTC times instead of the time that is left')
    .action(async (options) => {
      const { holdsCommand } = await import('./commands/holds.ts');
      return exitWith(await withReader(options, (reader) => holdsCommand(io, reader, options)));
    });
  withLinesOption(
    withStoreOptions(
      root
        .command('history <name>')
        .description(
          'show the rows of a history: stream, voting, archive, or the id of a review, job, hold or cleaning',
        ),
    ),
  )
    .addHelpText('after', '\nExample:\n  sos-ci history stream\n')
    .action(async (name, options) => {
      const { historyCommand } = await import('./commands/history.ts');
      return exitWith(await withReader(options, (reader) => historyCommand(io, reader, name, options)));
    });
}

function addJobs(root: Command, io: Io): void {
  withTableOptions(
    withStoreOptions(root.command('jobs').description('list the queue, then the other jobs, newest first')),
  )
    .option('--open', 'only jobs that have not ended')
    .option('--failed', 'only jobs that ended without success, apart from SKIPPED and ABORTED')
    .option('--change <number>', 'only jobs of this change', parsePositive)
    .option('--project <name>', 'only jobs of this project')
    .option('--branch <name>', 'only jobs of this branch')
    .option('--job <name>', 'only runs of this job')
    .option('--owner <name>', "only jobs of this owner's changes, named as in job --json")
    .option('--in-state <state>', 'only jobs in this state: queued, booting, testing ...')
    .addOption(new Option('--verdict <verdict>', 'only jobs with this verdict').choices(VERDICTS))
    .option('--since <when>', 'only jobs accepted since then: 2h, 3d, 2026-11-22', parsePastTime)
    .option('--until <when>', 'only jobs accepted before then', parsePastTime)
    .option('--limit <n>', 'list at most this many', parsePositive, 50)
    .option(
      '--sort <field>[,desc]',
      `one list, sorted by ${JOB_ORDERS.join(', ')}; with --limit the first of them`,
      parseSort,
    )
    .option('-w, --watch', 'repeat the list whenever it changes, until Ctrl-C')
    .addHelpText('after', '\nExamples:\n  sos-ci jobs --open --watch\n  sos-ci jobs --failed --since 2d\n')
    .action(async (options) => {
      const { jobsCommand, watchJobs } = await import('./commands/jobs.ts');
      const list = () => withReader(options, (reader) => jobsCommand(io, reader, options));
      const follow = (watch: Watch) => withReader(options, (reader) => watchJobs(io, reader, options, watch));
      return exitWith(await (options.watch ? watching(follow) : list()));
    });
}

function addTests(root: Command, io: Io): void {
  withTableOptions(
    withStoreOptions(
      root
        .command('tests [id]')
        .description('list the failed tests of a job, or the failing, flaky or slowest tests over all runs'),
    ),
  )
    .option('--all', 'of a job: also the tests that passed or were skipped')
    .option('--failing', 'tests that failed in the newest run of a job on a branch, and since when')
    .option('--flaky', 'tests that failed and passed on the same changes, and how often')
    .option('--slowest', 'median and 90th percentile of the duration of passed tests')
    .option(
      '--since <when>',
      'only runs since then: 30d, 2026-11-22 (default: 30d for --flaky and --slowest)',
      parsePastTime,
    )
    .option('--job <name>', 'only runs of this job')
    .option('--project <name>', 'only runs for this project')
    .option('--branch <name>', 'only runs for this branch')
    .option('--limit <n>', 'list at most this many', parsePositive, 50)
    .addHelpText('after', '\nExamples:\n  sos-ci tests j1kf\n  sos-ci tests --flaky --since 14d\n')
    .action(async (id, options) => {
      const { testsCommand } = await import('./commands/tests.ts');
      return exitWith(await withReader(options, (reader) => testsCommand(io, reader, id ?? null, options)));
    });
}

/** `took,desc` */
function parseSort(text: string): NonNullable<JobQuery['sort']> {
  const [field = '', order = 'asc', ...rest] = text.split(',');
  const by = JOB_ORDERS.find((known) => known === field);
  if (by !== undefined && rest.length === 0 && ['asc', 'desc'].includes(order))
    return { by, descending: order === 'desc' };
  throw new InvalidArgumentError(`Write it as took or took,desc. Fields: ${JOB_ORDERS.join(', ')}.`);
}

function addWait(root: Command, io: Io): void {
  withStoreOptions(
    root.command('wait <id>').description('wait until a job has ended; its verdict is the exit code'),
  )
    .option('--timeout <duration>', 'how long to wait (default: without limit)', parseTimeout)
    .addHelpText('after', '\nExample:\n  sos-ci wait j1kf --timeout 4h\n')
    .action(async (id, options) => {
      const { waitCommand } = await import('./commands/wait.ts');
      return exitWith(await withReader(options, (reader) => waitCommand(io, reader, id, options, sleep)));
    });
}

function addLog(root: Command, io: Io): void {
  withStoreOptions(root.command('log <id>').description("print the output of a job's stages, not redacted"))
    .addOption(new Option('--stage <stage>', 'only this stage').choices(STAGES))
    .option('--attempt <n>', 'only this attempt', parsePositive)
    .option('-f, --follow', 'print what is added, until the job has ended')
    .option('--failed', 'only the first failure and the lines around it')
    .addHelpText('after', '\nExamples:\n  sos-ci log j1kf --follow\n  sos-ci log j1kf --failed\n')
    .action(async (id, options) => {
      const { logCommand } = await import('./commands/log.ts');
      const stateDir = await stateDirectory(options);
      const publishedRoot = () => publishedLogs(options);
      const run = (watch: Watch) =>
        withReader(options, (reader) =>
          logCommand(io, reader, id, options, { stateDir, publishedRoot, ...watch }),
        );
      return exitWith(await (options.follow ? watching(run) : run(ONCE)));
    });
}

/** The directory of this host to which the configuration publishes logs. Null without a configuration, as with --state. */
async function publishedLogs(options: StoreLocation): Promise<string | null> {
  const file = configFile(options);
  if (!existsSync(file)) return null;
  const { loadConfig } = await import('../config/load.ts');
  const { destination } = loadConfig(file).logs;
  return destination.type === 'directory' ? destination.dir : null;
}
