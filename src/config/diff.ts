/**
 * The keys in which two configurations differ: those that apply on a reload, and those that need a restart, because
 * connections and directories last as long as the daemon.
 */
import type { Config } from './config.ts';

export interface Difference {
  /** Keys that apply to everything accepted from now on. */
  readonly changed: readonly string[];
  /** Keys that apply after a restart. */
  readonly restart: readonly string[];
}

/** Sections that apply while the daemon runs. */
const RELOADABLE = [
  'report',
  'triggers',
  'providers',
  'projects',
  'backends',
  'headStart',
  'janitors',
  'jobs',
  'redact',
  'git.merge',
];

/** The fields of Config that come from these sections, except `triggers`: its account and name need a restart. */
const RELOADABLE_FIELDS = [
  'report',
  'prepare',
  'providers',
  'projects',
  'backends',
  'headStartsMs',
  'janitors',
  'jobs',
  'redact',
  'limits',
  'written',
] as const;

/**
 * @param active the active configuration
 * @param started the configuration at the daemon's start, which stays active where a restart is needed
 */
export function difference(active: Config, started: Config, next: Config): Difference {
  return {
    changed: differingKeys(active, next).filter((key) => isInSections(RELOADABLE, key)),
    restart: differingKeys(started, next).filter((key) => !isInSections(RELOADABLE, key)),
  };
}

/** The active configuration after a reload to `next`: keys that need a restart keep their value from the start. */
export function activeAfter(started: Config, next: Config): Config {
  const reloaded = Object.fromEntries(RELOADABLE_FIELDS.map((key) => [key, next[key]])) as Partial<Config>;
  const { account, name } = started.triggers;
  return { ...started, ...reloaded, triggers: { ...next.triggers, account, name } };
}

function differingKeys(one: Config, other: Config): readonly string[] {
  const keys = new Set([...Object.keys(one.written), ...Object.keys(other.written)]);
  const changed = [...keys].filter((key) => key !== 'redact' && one.written[key] !== other.written[key]);
  // Compared by value: the content of a secret's file may have changed under the same name.
  const secrets = JSON.stringify(one.redact) === JSON.stringify(other.redact) ? [] : ['redact'];
  return [...changed, ...secrets].sort();
}

/** True for one of the sections, or a key in one of them. */
function isInSections(sections: readonly string[], key: string): boolean {
  return sections.some((section) => key === section || key.startsWith(`${section}.`));
}
