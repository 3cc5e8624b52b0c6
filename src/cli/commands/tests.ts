/** `sos-ci tests`: the tests of one job, and those that fail, are flaky or are slow over all runs. */
import type { JobView, StoreReader } from '../../engine/ports/store.ts';
import type {
  FailingTest,
  FlakyTest,
  RunRef,
  SlowTest,
  StoredTest,
  TestQuery,
  TestRun,
} from '../../engine/ports/test-history.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import type { TestOutcome } from '../../machines/model/test-result.ts';
import { plainText } from '../../terminal-text.ts';
import { findJob, shortId } from '../input/resolve-id.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Column, columnOf, padStart, printTable, wrap } from '../output/table.ts';
import { type Io, type Paint, paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';

export interface TestsOptions extends TestQuery {
  readonly all?: boolean;
  readonly failing?: boolean;
  readonly flaky?: boolean;
  readonly slowest?: boolean;
  readonly json?: boolean;
}

/** How far `--flaky` and `--slowest` look back without `--since`. */
const DEFAULT_PERIOD_MS = 30 * 24 * 3_600_000;
/** Widths of the columns before the id of a test. */
const OUTCOME_WIDTH = 9;
const TIME_WIDTH = 9;

const PAINTS: Readonly<Record<TestOutcome, Paint>> = { passed: 'green', skipped: 'dim', failed: 'red' };

/** @param id null: over all runs, as the options say */
export function testsCommand(io: Io, reader: StoreReader, id: string | null, options: TestsOptions): number {
  const { failing, flaky, slowest } = options;
  const views = [failing, flaky, slowest].filter((view) => view === true).length;
  if (views + (id === null ? 0 : 1) !== 1)
    throw new CliError(
      EXIT.usage,
      'name either a job or one of --failing, --flaky and --slowest',
      'sos-ci tests ID, or sos-ci tests --failing',
    );
  if (id !== null) return testsOfJob(io, findJob(reader, id), reader, options);
  if (failing) return failingTests(io, reader, options);
  return flaky ? flakyTests(io, reader, options) : slowestTests(io, reader, options);
}

function testsOfJob(io: Io, job: JobView, reader: StoreReader, options: TestsOptions): number {
  const run = reader.testRun(job.id);
  const shown = run?.tests.filter(({ outcome }) => options.all || outcome === 'failed') ?? [];
  if (options.json) {
    printJson(io, { job: job.id, name: job.name, run: run === null ? null : runJson(run, shown) });
    return EXIT.ok;
  }
  if (run === null) {
    io.out(
      'no results of single tests: they are stored once a results file of format subunit has been read\n',
    );
    return EXIT.ok;
  }
  for (const test of shown) printTest(io, test);
  if (shown.length > 0) io.out('\n');
  for (const line of summaryLines(run)) for (const part of wrap(line, io.width)) io.out(`${part}\n`);
  if (!options.all && run.tests.length > shown.length) io.err('the others are listed with --all\n');
  return EXIT.ok;
}

/** One line, or more on a narrow terminal: nothing of an id or an error is cut. */
function printTest(io: Io, { id, outcome, durationMs, error }: StoredTest): void {
  const took = durationMs === null ? '' : formatDuration(durationMs);
  const margin = OUTCOME_WIDTH + TIME_WIDTH + 2;
  const head = paint(io, PAINTS[outcome], columnOf(outcome, OUTCOME_WIDTH)) + padStart(took, TIME_WIDTH);
  const name = wrap(plainText(id), io.width - margin);
  const lines = error === null ? name : [...name, ...wrap(plainText(error), io.width - margin)];
  for (const [index, line] of lines.entries()) {
    const text = index < name.length ? line : paint(io, 'dim', line);
    io.out(`${index === 0 ? `${head}  ` : ' '.repeat(margin)}${text}\n`);
  }
}

function summaryLines({ passed, failed, skipped, dropped, problem, attempt }: TestRun): readonly string[] {
  const of = attempt > 1 ? ` in attempt ${attempt}` : '';
  return [
    `${failed} failed, ${passed} passed, ${skipped} skipped${of}`,
    ...(dropped > 0 ? [`${dropped} of them are not stored: a run has too many tests`] : []),
    ...(problem === null ? [] : [plainText(`incomplete: ${problem}`)]),
  ];
}

function failingTests(io: Io, reader: StoreReader, options: TestsOptions): number {
  const tests = reader.failingTests(queryOf(options, null));
  if (options.json) {
    const json = tests.map(({ newest, first, ...test }) => ({
      ...{ ...test, newest: refJson(newest), first: refJson(first) },
    }));
    printJson(io, { since: sinceJson(options, null), tests: json }, 'tests');
    return EXIT.ok;
  }
  const columns: readonly Column<FailingTest>[] = [
    { title: 'FAILS SINCE (UTC)', text: ({ first }) => utc(first.at).slice(0, -7) },
    { title: 'RUNS', text: ({ runs }) => String(runs), right: true },
    { title: 'CHANGES', text: ({ changes }) => String(changes), right: true, dropOrder: 3 },
    { title: 'JOB', text: ({ name }) => name },
    { title: 'PROJECT', text: ({ project }) => project, dropOrder: 2 },
    { title: 'BRANCH', text: ({ branch }) => branch, dropOrder: 4 },
    { title: 'LAST IN', text: ({ newest }) => shortId(newest.job), dropOrder: 1 },
    { title: 'TEST', text: ({ id }) => id, keepEnd: true, minWidth: 32 },
  ];
  return printTests(
    io,
    columns,
    tests,
    options.limit,
    'no test failed in the newest run of its job and branch',
  );
}

function flakyTests(io: Io, reader: StoreReader, options: TestsOptions): number {
  const tests = reader.flakyTests(queryOf(options, io.now()));
  if (options.json) {
    const json = tests.map(({ newest, ...test }) => ({
      ...{ ...test, share: test.failures / test.runs, newest: refJson(newest) },
    }));
    printJson(io, { since: sinceJson(options, io.now()), tests: json }, 'tests');
    return EXIT.ok;
  }
  const columns: readonly Column<FlakyTest>[] = [
    { title: 'SHARE', text: ({ failures, runs }) => `${((100 * failures) / runs).toFixed(1)}%`, right: true },
    { title: 'FAILED', text: ({ failures, runs }) => `${failures} of ${runs}`, right: true },
    { title: 'CHANGES', text: ({ changes }) => String(changes), right: true, dropOrder: 2 },
    { title: 'JOB', text: ({ name }) => name },
    { title: 'LAST IN', text: ({ newest }) => shortId(newest.job), dropOrder: 1 },
    { title: 'TEST', text: ({ id }) => id, keepEnd: true, minWidth: 32 },
  ];
  return printTests(io, columns, tests, options.limit, 'no flaky tests');
}

function slowestTests(io: Io, reader: StoreReader, options: TestsOptions): number {
  const tests = reader.slowestTests(queryOf(options, io.now()));
  if (options.json) {
    printJson(io, { since: sinceJson(options, io.now()), tests }, 'tests');
    return EXIT.ok;
  }
  const columns: readonly Column<SlowTest>[] = [
    { title: 'MEDIAN', text: ({ medianMs }) => formatDuration(medianMs), right: true },
    { title: '90%', text: ({ p90Ms }) => formatDuration(p90Ms), right: true },
    { title: 'RUNS', text: ({ runs }) => String(runs), right: true, dropOrder: 1 },
    { title: 'JOB', text: ({ name }) => name },
    { title: 'TEST', text: ({ id }) => id, keepEnd: true, minWidth: 32 },
  ];
  return printTests(io, columns, tests, options.limit, 'no test with a known duration has passed');
}

function printTests<Row>(
  io: Io,
  columns: readonly Column<Row>[],
  tests: readonly Row[],
  limit: number,
  none: string,
): number {
  if (tests.length === 0) io.out(`${none}\n`);
  else printTable(io, columns, tests);
  if (tests.length === limit) io.err(`the first ${limit} are shown; more with --limit N\n`);
  return EXIT.ok;
}

/** @param now null: without `--since`, all runs count */
function queryOf({ since, job, project, branch, limit }: TestsOptions, now: number | null): TestQuery {
  const from = since ?? (now === null ? undefined : now - DEFAULT_PERIOD_MS);
  return {
    limit,
    ...(from === undefined ? {} : { since: from }),
    ...(job === undefined ? {} : { job }),
    ...(project === undefined ? {} : { project }),
    ...(branch === undefined ? {} : { branch }),
  };
}

function sinceJson(options: TestsOptions, now: number | null): string | null {
  return iso(queryOf(options, now).since ?? null);
}

function runJson({ tests: _, at, job: __, ...run }: TestRun, shown: readonly StoredTest[]) {
  return { ...run, at: iso(at), tests: shown };
}

function refJson({ at, ...run }: RunRef) {
  return { ...run, at: iso(at) };
}
