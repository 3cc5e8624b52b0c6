/**
 * The keys in which two configurations differ: those that apply as soon as the file is read again, and those that need a
 * restart, because connections and folders last as long as the daemon.
 */
import type { Config } from './config.ts';

export interface Difference {
  /** Applies to what is accepted from now on. */
  readonly changed: readonly string[];
  /** Applies after a restart. */
  readonly restart: readonly string[];
}

/** Applies while the daemon runs. */
const LIVE = ['report', 'triggers', 'providers', 'projects', 'headStart', 'jobs', 'redact', 'git.merge'];

/** The same, as fields. */
const LIVE_FIELDS = [
  'report',
  'prepare',
  'providers',
  'projects',
  'headStartsMs',
  'jobs',
  'redact',
  'limits',
  'written',
] as const;

/**
 * @param active what applies now
 * @param started what the daemon was started with: that stays active where a restart is needed
 */
export function difference(active: Config, started: Config, next: Config): Difference {
  return {
    changed: unlike(active, next).filter((key) => isIn(LIVE, key)),
    restart: unlike(started, next).filter((key) => !isIn(LIVE, key)),
  };
}

/** What applies once `next` was read: what needs a restart stays as it was at the start. */
export function activeAfter(started: Config, next: Config): Config {
  const live = Object.fromEntries(LIVE_FIELDS.map((key) => [key, next[key]])) as Partial<Config>;
  const { account, name } = started.triggers;
  return { ...started, ...live, triggers: { ...next.triggers, account, name } };
}

function unlike(one: Config, other: Config): readonly string[] {
  const keys = new Set([...Object.keys(one.written), ...Object.keys(other.written)]);
  const changed = [...keys].filter((key) => key !== 'redact' && one.written[key] !== other.written[key]);
  // By value: the file of a secret may have changed, and its name not.
  const secrets = JSON.stringify(one.redact) === JSON.stringify(other.redact) ? [] : ['redact'];
  return [...changed, ...secrets].sort();
}

/** The key itself, or one in a section of that name. */
function isIn(sections: readonly string[], key: string): boolean {
  return sections.some((section) => key === section || key.startsWith(`${section}.`));
}
