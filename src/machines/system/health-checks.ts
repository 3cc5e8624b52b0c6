/**
 * What is wrong in what a look shows. Each check has a topic by which it is known again, and a wider margin for what is
 * over than for what begins, so that a disk at its limit does not raise and clear the same alarm all day.
 */
import type { Alarm } from '../model/alarm.ts';
import { formatLimit } from '../model/duration.ts';
import type { DiskSight, ReportSight, Sight, VigilLimits } from '../model/health-snapshot.ts';

/** What an operator was told of and is not over. */
export interface Trouble {
  /** The same for the same cause. */
  readonly topic: string;
  readonly kind: Alarm['kind'];
  readonly target: string;
  readonly message: string;
  readonly hint: string;
  readonly since: number;
}

interface Check extends Omit<Trouble, 'since'> {
  /** Null: nobody knows, so it stays as it was. */
  readonly wrong: boolean | null;
  /** How it is when it is not wrong. */
  readonly well: string;
}

/** What is not as it was known. */
export interface Noticed {
  readonly begun: readonly Omit<Trouble, 'since'>[];
  readonly over: readonly (Trouble & { readonly well: string })[];
}

/** What lies between the end of a trouble and its beginning. */
const MARGIN = 1.25;

export function noticedIn(sight: Sight, limits: VigilLimits, known: readonly Trouble[]): Noticed {
  const before = new Map(known.map((trouble) => [trouble.topic, trouble]));
  const checks = checksOf(sight, limits, before);
  const topics = new Set(checks.map(({ topic }) => topic));
  const over = checks.flatMap(({ topic, wrong, well }) => {
    const trouble = before.get(topic);
    return trouble !== undefined && wrong === false ? [{ ...trouble, well }] : [];
  });
  const gone = known.filter(({ topic }) => !topics.has(topic));
  return {
    begun: checks.filter(({ topic, wrong }) => wrong === true && !before.has(topic)).map(troubleOf),
    over: [...over, ...gone.map((trouble) => ({ ...trouble, well: 'it is not looked at any more' }))],
  };
}

function troubleOf({ topic, kind, target, message, hint }: Check): Omit<Trouble, 'since'> {
  return { topic, kind, target, message, hint };
}

function checksOf(sight: Sight, limits: VigilLimits, known: ReadonlyMap<string, Trouble>): readonly Check[] {
  return [
    ...sight.disks.flatMap((disk) => [spaceCheck(disk, limits, known), filesCheck(disk, limits, known)]),
    walCheck(sight.walBytes, limits, known),
    reportCheck(sight.reports, limits, known.get('reports')),
    eventsCheck(sight.unkept),
  ];
}

type Known = ReadonlyMap<string, Trouble>;

function spaceCheck({ path, holds, freeBytes }: DiskSight, limits: VigilLimits, known: Known): Check {
  const topic = `space ${path}`;
  const limit = limits.diskFreeBytes * (known.has(topic) ? MARGIN : 1);
  const free = freeBytes === null ? '' : `${megabytes(freeBytes)} are free`;
  return {
    topic,
    kind: 'disk-low',
    target: path,
    message: `the disk of ${holds} runs full: ${free}, the limit is ${megabytes(limits.diskFreeBytes)}`,
    hint: 'make room there: when it is full, nothing new is taken. monitoring.minFreeDisk is the limit',
    wrong: freeBytes === null ? null : freeBytes < limit,
    well: `there is room again: ${free}`,
  };
}

function filesCheck({ path, holds, freeFiles }: DiskSight, limits: VigilLimits, known: Known): Check {
  const topic = `files ${path}`;
  const limit = limits.diskFreeFiles * (known.has(topic) ? MARGIN : 1);
  return {
    topic,
    kind: 'disk-low',
    target: `inodes of ${path}`,
    message: `the disk of ${holds} runs out of inodes: ${freeFiles ?? 0} are free`,
    hint: 'remove files there: without inodes nothing new can be kept',
    wrong: freeFiles === null ? null : freeFiles < limit,
    well: `there are inodes again: ${freeFiles ?? 0} are free`,
  };
}

function walCheck(walBytes: number | null, limits: VigilLimits, known: Known): Check {
  const limit = limits.walBytes / (known.has('wal') ? MARGIN : 1);
  const size = megabytes(walBytes ?? 0);
  return {
    topic: 'wal',
    kind: 'wal-large',
    target: 'event log',
    message: `the write-ahead log of the database has grown to ${size}: something keeps it from being emptied`,
    hint: 'end what reads the database for long, such as a backup or an open sqlite3',
    wrong: walBytes === null ? null : walBytes > limit,
    well: `the write-ahead log has been emptied: ${size}`,
  };
}

/** Over when something was reported, or nothing is to be reported any more; not when what was heard is forgotten. */
function reportCheck(reports: ReportSight | null, limits: VigilLimits, known: Trouble | undefined): Check {
  const { ownAt, listenedMs, others } = reports ?? { ownAt: null, listenedMs: 0, others: 0 };
  const quiet =
    known === undefined
      ? listenedMs >= limits.quietMs && others >= limits.quietOthers
      : ownAt === null || ownAt <= known.since;
  const since = ownAt === null ? 'so far' : 'any more';
  return {
    topic: 'reports',
    kind: 'no-reports',
    target: 'this CI',
    message: `nothing is reported ${since}: ${formatLimit(listenedMs)} of listening, in which other CIs reported ${others} times`,
    hint: 'see why: sos-ci jobs, sos-ci explain CHANGE. A CI that stays silent is disabled',
    wrong: reports !== null && quiet,
    well: reports === null ? 'nothing is to be reported' : 'a report was posted',
  };
}

function eventsCheck(unkept: string | null): Check {
  return {
    topic: 'events',
    kind: 'event-archive-failing',
    target: 'raw events',
    message: `Gerrit's events can not be kept as they came: ${unkept ?? ''}`,
    hint: 'all else goes on; what is lost can not be exported later. they are kept in events of stateDir',
    wrong: unkept !== null,
    well: "Gerrit's events are kept again",
  };
}

/** In the units of the configuration. */
function megabytes(size: number): string {
  const mega = size / 1024 ** 2;
  return mega < 10_240 ? `${Math.round(mega)} MB` : `${(mega / 1024).toFixed(1)} GB`;
}
