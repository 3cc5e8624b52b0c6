/**
 * Finds problems in a snapshot of the host, the database and the reports. Each check has a topic that identifies it. A
 * problem ends with a margin beyond the limit at which it begins, so a disk at its limit does not raise and clear an
 * alarm all day.
 */
import { formatLimit } from '../../machines/model/duration.ts';
import type {
  DiskSnapshot,
  HealthLimits,
  HealthSnapshot,
  ReportActivity,
} from '../../machines/model/health-snapshot.ts';
import type { Problem } from '../ports/store.ts';

interface Check extends Omit<Problem, 'since'> {
  /** Null: unknown, so the problem's state stays as it was. */
  readonly wrong: boolean | null;
  /** The text for a check that passes. */
  readonly recovered: string;
}

/** The problems that began or ended since the last evaluation. */
export interface Evaluation {
  readonly begun: readonly Omit<Problem, 'since'>[];
  readonly over: readonly (Problem & { readonly recovered: string })[];
}

/** Factor between the limit at which a problem begins and the one at which it ends. */
const MARGIN = 1.25;

export function evaluate(
  snapshot: HealthSnapshot,
  limits: HealthLimits,
  known: readonly Problem[],
): Evaluation {
  const before = new Map(known.map((problem) => [problem.topic, problem]));
  const checks = checksOf(snapshot, limits, before);
  const topics = new Set(checks.map(({ topic }) => topic));
  const over = checks.flatMap(({ topic, wrong, recovered }) => {
    const problem = before.get(topic);
    return problem !== undefined && wrong === false ? [{ ...problem, recovered }] : [];
  });
  const gone = known.filter(({ topic }) => !topics.has(topic));
  return {
    begun: checks.filter(({ topic, wrong }) => wrong === true && !before.has(topic)).map(problemOf),
    over: [...over, ...gone.map((problem) => ({ ...problem, recovered: 'it is not checked any more' }))],
  };
}

function problemOf({ topic, kind, target, message, hint }: Check): Omit<Problem, 'since'> {
  return { topic, kind, target, message, hint };
}

function checksOf(
  snapshot: HealthSnapshot,
  limits: HealthLimits,
  known: ReadonlyMap<string, Problem>,
): readonly Check[] {
  return [
    ...snapshot.disks.flatMap((disk) => [spaceCheck(disk, limits, known), filesCheck(disk, limits, known)]),
    walCheck(snapshot.walBytes, limits, known),
    reportCheck(snapshot.reports, limits, known.get('reports')),
    eventsCheck(snapshot.archiveProblem),
  ];
}

type Known = ReadonlyMap<string, Problem>;

function spaceCheck({ path, holds, freeBytes }: DiskSnapshot, limits: HealthLimits, known: Known): Check {
  const topic = `space ${path}`;
  const limit = limits.diskFreeBytes * (known.has(topic) ? MARGIN : 1);
  const free = freeBytes === null ? '' : `${megabytes(freeBytes)} are free`;
  return {
    topic,
    kind: 'disk-low',
    target: path,
    message: `the disk of ${holds} is almost full: ${free}, the limit is ${megabytes(limits.diskFreeBytes)}`,
    hint: 'free space there: when it is full, no events are accepted. monitoring.minFreeDisk is the limit',
    wrong: freeBytes === null ? null : freeBytes < limit,
    recovered: `there is free space again: ${free}`,
  };
}

function filesCheck({ path, holds, freeFiles }: DiskSnapshot, limits: HealthLimits, known: Known): Check {
  const topic = `files ${path}`;
  const limit = limits.diskFreeFiles * (known.has(topic) ? MARGIN : 1);
  return {
    topic,
    kind: 'disk-low',
    target: `inodes of ${path}`,
    message: `the disk of ${holds} is running out of inodes: ${freeFiles ?? 0} are free`,
    hint: 'remove files there: without inodes no file can be created',
    wrong: freeFiles === null ? null : freeFiles < limit,
    recovered: `there are inodes again: ${freeFiles ?? 0} are free`,
  };
}

function walCheck(walBytes: number | null, limits: HealthLimits, known: Known): Check {
  const limit = limits.walBytes / (known.has('wal') ? MARGIN : 1);
  const size = megabytes(walBytes ?? 0);
  return {
    topic: 'wal',
    kind: 'wal-large',
    target: 'event log',
    message: `the write-ahead log of the database has grown to ${size}: a long read prevents its truncation`,
    hint: 'end long reads of the database, such as a backup or an open sqlite3',
    wrong: walBytes === null ? null : walBytes > limit,
    recovered: `the write-ahead log has been truncated: ${size}`,
  };
}

/**
 * Ends when something was reported, or when reports are no longer expected; not when the recorded activity is
 * forgotten.
 */
function reportCheck(
  reports: ReportActivity | null,
  limits: HealthLimits,
  known: Problem | undefined,
): Check {
  const { ownAt, listenedMs, others } = reports ?? { ownAt: null, listenedMs: 0, others: 0 };
  const silent =
    known === undefined
      ? listenedMs >= limits.maxSilenceMs && others >= limits.minOtherReports
      : ownAt === null || ownAt <= known.since;
  const what = ownAt === null ? 'this CI has not reported yet' : 'this CI no longer reports';
  return {
    topic: 'reports',
    kind: 'no-reports',
    target: 'this CI',
    message: `${what}: other CIs reported ${others} times in ${formatLimit(listenedMs)} of listening`,
    hint: 'find out why: sos-ci jobs, sos-ci explain CHANGE. A CI that stays silent is disabled',
    wrong: reports !== null && silent,
    recovered: reports === null ? 'reports are switched off' : 'a report was posted',
  };
}

function eventsCheck(archiveProblem: string | null): Check {
  return {
    topic: 'events',
    kind: 'event-archive-failing',
    target: 'raw events',
    message: `Gerrit's raw events cannot be archived: ${archiveProblem ?? ''}`,
    hint: 'jobs continue; lost events cannot be exported later. The archive is the directory events in stateDir',
    wrong: archiveProblem !== null,
    recovered: "Gerrit's raw events are archived again",
  };
}

/** Formats a size in the configuration's units. */
function megabytes(size: number): string {
  const mega = size / 1024 ** 2;
  return mega < 10_240 ? `${Math.round(mega)} MB` : `${(mega / 1024).toFixed(1)} GB`;
}
