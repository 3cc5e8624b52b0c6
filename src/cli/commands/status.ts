/** `sos-ci status`: the daemon, its connection to Gerrit, its work, and its alarms. */
import type {
  AlarmView,
  ConfigRecord,
  ConnectionsView,
  DaemonView,
  DayCount,
  HealthRecord,
  StoreReader,
} from '../../engine/ports/store.ts';
import { openHolds } from '../../machines/hold/open-holds.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import type { HoldStatus, VotingStatus } from '../../machines/protocol/version.ts';
import { VOTING } from '../../machines/system/voting.ts';
import { versionOf } from '../../machines/versions.ts';
import { plainText } from '../../terminal-text.ts';
import { daemonRuns } from '../input/open-store.ts';
import { pendingCount } from '../output/effect.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { topState } from '../output/state-spans.ts';
import { streamJson, streamLines } from '../output/stream.ts';
import { type Column, columnOf, printTable, wrap } from '../output/table.ts';
import { type Io, type Paint, paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';
import { alarmJson, alarmStatus } from './alarms.ts';
import { holdJson, holdLine } from './holds.ts';
import { type Janitor, janitorJson, janitorLines, readJanitors } from './janitors.ts';
import { printQueueAndJobs } from './jobs.ts';
import { readQueue } from './queue.ts';

export interface StatusOptions {
  readonly json?: boolean;
}

const HEALTHY = 'healthy';
const MAX_OPEN = 10_000;
const OPEN_SHOWN = 20;
const ALARMS_SHOWN = 10;
const PROBLEMS_SHOWN = 10;
const DAY_MS = 86_400_000;

/** Exit code 0 when the daemon runs, 1 when not. */
export async function statusCommand(io: Io, reader: StoreReader, options: StatusOptions): Promise<number> {
  const daemon = reader.daemon();
  const running = daemonRuns(reader, io);
  const exit = running ? EXIT.ok : EXIT.negative;
  const since = new Date(io.now() - 6 * DAY_MS).toISOString().slice(0, 10);
  const jobs = reader.jobs({ open: true, limit: MAX_OPEN });
  const voting = reader.stored(VOTING);
  const facts = {
    daemon,
    running,
    jobs,
    reviews: reader.reviews({ open: true, limit: MAX_OPEN }),
    holds: openHolds(reader),
    janitors: await readJanitors(io, reader),
    pending: reader.outbox(),
    counts: reader.counts(since),
    alarms: reader.alarms(ALARMS_SHOWN),
    intake: reader.intake(),
    stream: reader.stored('stream'),
    voting: voting === null ? null : versionOf(voting).votingStatus(voting),
    health: reader.health(),
    config: reader.config(),
  };
  if (options.json) {
    printJson(io, statusJson(facts, since));
    return exit;
  }
  printLine(io, 'daemon', daemonText(io, daemon, running), running ? null : 'red');
  const connection = running ? streamLines(facts.stream, io.now()) : ['not connected'];
  if (connection.length === 0) printLine(io, 'stream', daemon?.stream ?? '', null);
  for (const [index, text] of connection.entries()) printLine(io, index === 0 ? 'stream' : '', text, null);
  const connections = running ? daemon?.connections : undefined;
  if (connections !== undefined) printLine(io, 'ssh', connectionsText(connections), null);
  printLine(io, 'jobs', `${jobs.length} open${byState(jobs)}`, null);
  printLine(io, 'reviews', `${facts.reviews.length} open`, null);
  for (const [index, hold] of facts.holds.entries())
    printLine(io, index === 0 ? 'holds' : '', holdLine(hold, io.now()), null);
  if (facts.holds.some(({ held }) => held !== null)) printLine(io, '', '-> to log in: sos-ci holds', null);
  for (const [index, text] of janitorLines(facts.janitors, io.now()).entries())
    printLine(io, index === 0 ? 'janitors' : '', text, null);
  printLine(io, 'pending', pendingCount(facts.pending), null);
  printVoting(io, facts.voting);
  if (running) printConfig(io, facts.config);
  printLine(io, 'events', eventCountsText(facts.intake), null);
  for (const [index, text] of healthLines(facts.health).entries())
    printLine(io, index === 0 ? 'health' : '', text, text === HEALTHY ? null : 'red');
  printAlarms(io, facts.alarms);
  if (facts.counts.length > 0) {
    io.out(`\nended in the last 7 days\n`);
    printCounts(io, facts.counts);
  }
  if (jobs.length > 0) {
    io.out('\nopen jobs\n');
    const printed = printQueueAndJobs(io, readQueue(io, reader), jobs, OPEN_SHOWN);
    if (jobs.length > printed) io.out(`and ${jobs.length - printed} more: sos-ci jobs --open\n`);
  }
  return exit;
}

interface Facts {
  readonly daemon: DaemonView | null;
  readonly running: boolean;
  readonly jobs: ReturnType<StoreReader['jobs']>;
  readonly reviews: ReturnType<StoreReader['reviews']>;
  readonly holds: readonly HoldStatus[];
  readonly janitors: readonly Janitor[];
  readonly pending: ReturnType<StoreReader['outbox']>;
  readonly counts: readonly DayCount[];
  readonly alarms: readonly AlarmView[];
  readonly intake: Readonly<Record<string, number>>;
  readonly stream: HistorySnapshot | null;
  readonly voting: VotingStatus | null;
  readonly health: HealthRecord | null;
  readonly config: ConfigRecord | null;
}

function printLine(io: Io, name: string, text: string, color: Paint | null): void {
  for (const [index, part] of wrap(plainText(text), io.width - 10).entries()) {
    const shown = color === null ? part : paint(io, color, part);
    io.out(`${paint(io, 'dim', columnOf(index === 0 ? name : '', 10))}${shown}\n`);
  }
}

/** Prints only errors and changes that need a restart. */
function printConfig(io: Io, config: ConfigRecord | null): void {
  if (config === null) return;
  const { file, loadedAt, restart, problems, rejectedAt } = config;
  if (rejectedAt !== null) {
    const since = `since ${utc(rejectedAt)}; the daemon uses the configuration read at ${utc(loadedAt)}`;
    printLine(io, 'config', `${count(problems.length, 'error')} in ${file} ${since}`, 'red');
    for (const problem of problems.slice(0, PROBLEMS_SHOWN)) printLine(io, '', problem, null);
    const more = problems.length - PROBLEMS_SHOWN;
    if (more > 0) printLine(io, '', `and ${more} more: sos-ci config check --config ${file}`, null);
  }
  if (restart.length > 0) printLine(io, 'config', `needs a restart: ${restart.join(', ')}`, 'yellow');
}

function configJson(config: ConfigRecord | null) {
  if (config === null) return null;
  return { ...config, loadedAt: iso(config.loadedAt), rejectedAt: iso(config.rejectedAt) };
}

function daemonText(io: Io, daemon: DaemonView | null, running: boolean): string {
  if (daemon === null) return 'not running, and never started here. Start it: sos-ci daemon';
  const started = `started ${utc(daemon.startedAt)}`;
  if (running) {
    const up = formatDuration(io.now() - daemon.startedAt);
    return `${daemon.mode}, pid ${daemon.pid}, ${started} (${up} ago), version ${daemon.version}`;
  }
  const how = daemon.mode === 'stopped' ? 'stopped cleanly' : 'ended uncleanly';
  return `not running: the last daemon (pid ${daemon.pid}, ${started}) ${how}. Start it: sos-ci daemon`;
}

function stateCounts(jobs: Facts['jobs']): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const job of jobs) {
    const state = topState(job.state);
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;
}

function byState(jobs: Facts['jobs']): string {
  const parts = [...stateCounts(jobs)].map(([state, number]) => `${number} ${state}`);
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`;
}

function eventCountsText(intake: Facts['intake']): string {
  const entries = Object.entries(intake);
  const sum = (chosen: typeof entries): number => chosen.reduce((total, [, number]) => total + number, 0);
  const rejected = entries.filter(([name]) => name.startsWith('rejected:'));
  const accepted = entries.filter(([name]) => !/^(rejected|unarchived):/.test(name));
  const unarchived = intake['unarchived:lines'] ?? 0;
  const bad = rejected.length === 0 ? 'none' : `${sum(rejected)}`;
  return `${count(sum(accepted), 'event')} from Gerrit since the database was created, ${bad} rejected${unarchived === 0 ? '' : `, ${unarchived} not archived`}`;
}

/** Whether voting is on; prints nothing before the first start of a daemon. */
function printVoting(io: Io, status: VotingStatus | null): void {
  if (status === null) return;
  const { failed, stoppedAt } = status;
  const row = failed.length === 0 ? '' : `${count(failed.length, 'change')} failed in a row`;
  if (stoppedAt === null) {
    printLine(io, 'voting', row === '' ? 'allowed' : `allowed; ${row}`, null);
    return;
  }
  printLine(io, 'voting', `stopped since ${utc(stoppedAt)}: ${row}`, 'red');
  printLine(io, '', '-> find out what fails (sos-ci jobs), fix it, then: sos-ci resume-voting', null);
}

function votingJson(status: VotingStatus | null) {
  if (status === null) return null;
  const { failed, stoppedAt } = status;
  return { allowed: stoppedAt === null, stoppedAt: stoppedAt === null ? null : iso(stoppedAt), failed };
}

function printAlarms(io: Io, alarms: readonly AlarmView[]): void {
  if (alarms.length === 0) {
    printLine(io, 'alarms', 'none', null);
    return;
  }
  for (const [index, alarm] of alarms.entries()) {
    const times = alarm.times === 1 ? '' : `, ${alarm.times} times`;
    const status = alarmStatus(alarm);
    const statusText = status === '' ? '' : `${status}, `;
    const text = `${alarm.kind} ${alarm.target}: ${alarm.message} (${statusText}last ${utc(alarm.lastAt)}${times})`;
    printLine(io, index === 0 ? 'alarms' : '', text, alarmColor(alarm));
    if (alarm.acknowledgedAt === null && alarm.hint !== '') printLine(io, '', `-> ${alarm.hint}`, null);
  }
}

function alarmColor({ clearedAt, acknowledgedAt }: AlarmView): Paint | null {
  if (clearedAt !== null) return 'green';
  return acknowledgedAt === null ? 'red' : null;
}

function printCounts(io: Io, counts: readonly DayCount[]): void {
  const verdicts = [...new Set(counts.map((row) => row.verdict))].sort();
  const names = [...new Set(counts.map((row) => row.name))].sort();
  const jobs = (name: string, verdict: string): number =>
    counts
      .filter((row) => row.name === name && row.verdict === verdict)
      .reduce((sum, row) => sum + row.jobs, 0);
  const columns: readonly Column<string>[] = [
    { title: 'JOB', text: (name) => name },
    ...verdicts.map((verdict) => ({
      title: verdict,
      text: (name: string) => String(jobs(name, verdict)),
      right: true,
    })),
  ];
  printTable(io, columns, names);
}

function connectionsText({ open, needed }: ConnectionsView): string {
  const uses = needed > 1 ? 'one for the stream and queries, one for git' : 'for the stream and queries';
  return `${open} open to Gerrit, up to ${needed} needed: ${uses}`;
}

function statusJson(facts: Facts, since: string) {
  const { daemon, running } = facts;
  return {
    running,
    daemon: daemon === null ? null : { ...daemon, startedAt: iso(daemon.startedAt) },
    openJobs: { total: facts.jobs.length, byState: Object.fromEntries(stateCounts(facts.jobs)) },
    openReviews: facts.reviews.length,
    holds: facts.holds.map(holdJson),
    janitors: facts.janitors.map(janitorJson),
    pending: {
      timers: facts.pending.filter((item) => item.effect.type === 'setTimer').length,
      requests: facts.pending.filter((item) => item.effect.type !== 'setTimer').length,
    },
    intake: facts.intake,
    stream: streamJson(facts.stream),
    voting: votingJson(facts.voting),
    health: healthJson(facts.health),
    config: configJson(facts.config),
    alarms: facts.alarms.map(alarmJson),
    counts: { since, rows: facts.counts },
  };
}

/** One line for each problem; empty before the first start of a daemon. */
function healthLines(record: HealthRecord | null): readonly string[] {
  if (record === null) return [];
  if (record.problems.length === 0) return [HEALTHY];
  return record.problems.map(({ kind, target, since }) => `${kind} ${target} since ${utc(since)}`);
}

function healthJson(record: HealthRecord | null) {
  if (record === null) return null;
  const problems = record.problems.map((one) => ({ ...one, since: iso(one.since) }));
  return { healthy: problems.length === 0, limits: record.limits, problems };
}
