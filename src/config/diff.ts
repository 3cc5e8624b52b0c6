/**
 * What is not the same in two configurations, as dotted keys: what counts as soon as the file is read anew, and what
 * only after the next start, because connections and folders last as long as the daemon.
 */
import type { Config } from './config.ts';

export interface Difference {
  /** Counts for what is accepted from now on. */
  readonly changed: readonly string[];
  /** Counts after the next start. */
  readonly restart: readonly string[];
}

/** What may change while the daemon runs: whole sections, and keys of `limits`. */
const LIVE = [
  'report',
  'triggers',
  'prepare',
  'providers',
  'projects',
  'priorities',
  'jobs',
  'redact',
] as const;
const LIVE_LIMITS = ['queueLength', 'queuePatienceMs'] as const;

/** What is made of other keys and told by those, or is the same in every configuration. */
const DERIVED: readonly string[] = [
  'file',
  ...['account', 'wip', 'private'].map((key) => `triggers.${key}`),
  ...['onlyCurrent', 'hold'].map((key) => `prepare.${key}`),
];

/** Of no concern to the daemon. */
const ELSEWHERE: readonly string[] = ['doctor'];

/** Fields that are not named after their keys. */
const RENAMED: Readonly<Record<string, string>> = {
  'triggers.name': 'gerrit.name',
  'report.waitTimeout': 'report.wait',
  'prepare.dependencyLimit': 'prepare.dependencies',
  'git.cache': 'git.cacheSize',
  'intake.keepSeen': 'intake.remember',
  'intake.pageRows': 'intake.page',
  'intake.heldLimit': 'intake.held',
  'logs.file': 'logs.fileLimit',
  'intake.segments': 'intake.events',
  'intake.catchUpTimeout': 'intake.timeout',
  'intake.catchUpRetry': 'intake.retry',
  'intake.catchUpRetryMax': 'intake.retryMax',
  'intake.catchUpAlarmAttempts': 'intake.alarmAttempts',
  'intake.catchUpAgain': 'intake.again',
};

/** Held in a group of their own, and written beside the others. */
const GROUPED: readonly string[] = ['intake.stream', 'vigil.limits', 'logs.limits'];

/** Sections whose entries the user names. */
const NAMED: readonly string[] = ['jobs', 'providers', 'projects'];

/**
 * @param inForce what counts now
 * @param started what the daemon was started with: that stays in force where a restart is needed
 */
export function difference(inForce: Config, started: Config, next: Config): Difference {
  return {
    changed: unlike(inForce, next).filter(isLive),
    restart: unlike(started, next).filter((key) => !isLive(key)),
  };
}

/** What counts once `next` was read, while what needs a restart stays as it was at the start. */
export function inForceAfter(started: Config, next: Config): Config {
  const limits = { ...started.limits, ...pick(next.limits, LIVE_LIMITS) };
  const { account, name } = started.triggers;
  return { ...started, ...pick(next, LIVE), triggers: { ...next.triggers, account, name }, limits };
}

function isLive(key: string): boolean {
  const [section = '', name = ''] = key.split('.');
  if (section === 'limits') return LIVE_LIMITS.some((limit) => asWritten(limit) === name);
  return LIVE.some((live) => live === section);
}

function pick<T, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;
}

function unlike(one: Config, other: Config): readonly string[] {
  const [before, after] = [keysOf(one), keysOf(other)];
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => !DERIVED.includes(key) && before.get(key) !== after.get(key)).sort();
}

/** Each key with its value as text: a section's keys one by one, and no deeper. */
function keysOf(config: Config): ReadonlyMap<string, string> {
  const sections = Object.entries(config).flatMap(([section, value]) =>
    ELSEWHERE.includes(section) ? [] : keysIn(section, value),
  );
  return new Map(sections.map(([field, value]) => [RENAMED[field] ?? field, JSON.stringify(value)]));
}

type Field = readonly [name: string, value: unknown];

function keysIn(section: string, value: unknown): readonly Field[] {
  if (Array.isArray(value)) {
    if (!NAMED.includes(section)) return [[section, value]];
    return value.map((entry): Field => [`${section}.${nameOf(entry)}`, entry]);
  }
  if (typeof value !== 'object' || value === null) return [[section, value]];
  return Object.entries(value).flatMap(([key, entry]) => {
    const field = `${section}.${NAMED.includes(section) ? key : asWritten(key)}`;
    return GROUPED.includes(field) ? keysIn(section, entry) : [[field, entry] as const];
  });
}

/** Of a job or a provider. */
function nameOf(entry: { readonly name?: string; readonly spec?: { readonly name: string } }): string {
  return entry.name ?? entry.spec?.name ?? '';
}

/** A field's name as it stands in the file: without unit. */
function asWritten(field: string): string {
  return field.replace(/(Ms|Bytes|File)$/, '');
}
