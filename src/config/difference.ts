/**
 * What is not the same in two configurations, as dotted keys: what counts as soon as the file is read anew, and what
 * only after the next start, because connections, folders and secrets last as long as the daemon.
 */
import type { Config } from './config.ts';

export interface Difference {
  /** Counts for what is accepted from now on. */
  readonly changed: readonly string[];
  /** Counts after the next start. */
  readonly restart: readonly string[];
}

/** What may change while the daemon runs: whole sections, or single keys of one. */
const LIVE: readonly string[] = ['report', 'prepare', 'triggers', 'providers', 'jobs', 'limits.queueLength'];

/** Sections whose entries the user names. */
const NAMED: readonly string[] = ['jobs', 'providers', 'projects'];

/**
 * @param inForce what counts now
 * @param started what the daemon was started with: that stays in force where a restart is needed
 */
export function difference(inForce: Config, started: Config, next: Config): Difference {
  const isLive = (key: string) => LIVE.some((live) => key === live || key.startsWith(`${live}.`));
  return {
    changed: unlike(inForce, next).filter(isLive),
    restart: unlike(started, next).filter((key) => !isLive(key)),
  };
}

/** What counts once `next` was read, while what needs a restart stays as it was at the start. */
export function inForceAfter(started: Config, next: Config): Config {
  const limits = { ...started.limits, queueLength: next.limits.queueLength };
  const { report, prepare, providers, jobs } = next;
  return { ...started, report, prepare, providers, jobs, limits };
}

function unlike(one: Config, other: Config): readonly string[] {
  const [before, after] = [keysOf(one), keysOf(other)];
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key) !== after.get(key)).sort();
}

/** Each key with its value as text: a section's keys one by one, and no deeper. */
function keysOf(config: Config): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [section, value] of Object.entries(config)) {
    // Where it was read from is no part of what it says.
    if (section === 'file') continue;
    const entries = entriesOf(section, value);
    if (entries === null) found.set(section, JSON.stringify(value));
    else for (const [name, entry] of entries) found.set(`${section}.${name}`, JSON.stringify(entry));
  }
  return found;
}

function entriesOf(section: string, value: unknown): readonly (readonly [string, unknown])[] | null {
  if (Array.isArray(value))
    return NAMED.includes(section) ? value.map((entry) => [nameOf(entry), entry]) : null;
  if (typeof value !== 'object' || value === null) return null;
  return Object.entries(value).map(([key, entry]) => [asWritten(key), entry]);
}

/** Of a job or a provider. */
function nameOf(entry: { readonly name?: string; readonly spec?: { readonly name: string } }): string {
  return entry.name ?? entry.spec?.name ?? '';
}

/** A field's name as it stands in the file: without unit. */
function asWritten(field: string): string {
  return field.replace(/(Ms|Bytes|File)$/, '');
}
