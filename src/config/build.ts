/** Builds the program's configuration from the checked file: makes paths absolute and adds constants. */
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Config } from './config.ts';
import { CATCH_UP, DOCTOR, SERVICE_LIMITS } from './constants.ts';
import type { ConfigFile } from './schema.ts';
import { buildDatabase } from './sections/database.ts';
import { buildEventArchive } from './sections/event-archive.ts';
import { buildGerrit } from './sections/gerrit.ts';
import { buildGitCache, buildPrepare } from './sections/git.ts';
import { buildJanitor } from './sections/janitors.ts';
import { buildJob } from './sections/jobs.ts';
import { buildLogs } from './sections/logs.ts';
import { buildMail } from './sections/mail.ts';
import { buildMonitoring } from './sections/monitoring.ts';
import { buildProvider } from './sections/providers.ts';
import { buildHeadStarts, buildProjects } from './sections/queue.ts';
import { buildReport } from './sections/report.ts';
import { buildTriggers } from './sections/triggers.ts';

/** Resolves `~` to this user's home, and other paths relative to the configuration file. */
export function pathResolver(file: string, home: string = homedir()): (path: string) => string {
  return (path) => {
    if (path === '~') return home;
    return path.startsWith('~/') ? join(home, path.slice(2)) : resolve(dirname(file), path);
  };
}

export function buildConfig(
  file: string,
  checked: ConfigFile,
  secrets: readonly string[],
  template: string | null,
  path: (path: string) => string,
): Config {
  const stateDir = path(checked.stateDir);
  const providers = Object.entries(checked.providers).map(([name, provider]) =>
    buildProvider(name, provider, path),
  );
  const common = {
    pipeline: checked.report.pipeline,
    triggers: checked.triggers,
    provider: providers[0]?.name ?? '',
  };
  return {
    file,
    written: writtenKeys(checked, template),
    stateDir,
    deployment: checked.deployment,
    gerrit: buildGerrit(checked.gerrit, path),
    mail: checked.mail === undefined ? null : buildMail(checked.mail, path),
    report: buildReport(checked.report, template),
    triggers: buildTriggers(checked.triggers, checked.gerrit),
    catchUp: { ...CATCH_UP, segments: buildEventArchive(checked.eventArchive, stateDir) },
    monitoring: buildMonitoring(checked.monitoring),
    prepare: buildPrepare(checked.git, checked.triggers),
    git: buildGitCache(checked.git),
    providers,
    projects: buildProjects(checked.projects),
    backends: checked.backends,
    headStartsMs: buildHeadStarts(checked.headStart),
    logs: buildLogs(checked.logs, stateDir, path),
    database: buildDatabase(checked.database),
    redact: secrets,
    janitors: Object.entries(checked.janitors).map(([name, file]) => buildJanitor(name, file, path)),
    limits: { ...SERVICE_LIMITS, maxOpenJobs: checked.triggers.maxOpenJobs },
    jobs: Object.entries(checked.jobs).map(([name, job]) => buildJob(name, job, common, path)),
    log: checked.log,
    doctor: DOCTOR,
  };
}

/** The values in the file, including defaults: each key of a section, or each named entry, as JSON. */
function writtenKeys(checked: ConfigFile, template: string | null): Config['written'] {
  const keys = Object.entries(checked).flatMap(([section, value]): [string, unknown][] => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[section, value]];
    return Object.entries(value).map(([key, inner]) => [`${section}.${key}`, inner]);
  });
  const text = (key: string, value: unknown) =>
    key === 'report.template' ? template : JSON.stringify(value);
  return Object.fromEntries(keys.map(([key, value]) => [key, text(key, value) ?? '']));
}
