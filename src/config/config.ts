/**
 * The program's configuration: defaults and constants filled in, paths absolute, times in milliseconds, sizes in bytes,
 * secrets read. `load.ts` builds it from `sos-ci.yaml`.
 */

import type { JobSpec, PreparePlan, TriggerKind } from '../machines/model/domain.ts';
import type { HealthLimits } from '../machines/model/health-snapshot.ts';
import type { ReportSpec } from '../machines/model/report-spec.ts';
import type { StreamLimits } from '../machines/protocol/events.ts';
import type { JobRules } from '../machines/trigger/rules/job-matcher.ts';
import type { TriggerRules } from '../machines/trigger/trigger.ts';
import type { ServiceLimits } from './constants.ts';
import type { LogsConfig } from './logs-config.ts';
import type { JanitorConfig } from './sections/janitors.ts';

export interface Config {
  /** Absolute path of the file it was read from. */
  readonly file: string;
  /** The values in the file, including defaults: the dotted key of each section key or entry, and its value as JSON. */
  readonly written: Readonly<Record<string, string>>;
  /** Absolute. Holds the event log, run directories and evidence. */
  readonly stateDir: string;
  /** Written on everything that we create; null: the database's own random id. */
  readonly deployment: string | null;
  readonly gerrit: GerritConfig;
  /** Null: no mail is sent. */
  readonly mail: MailConfig | null;
  readonly catchUp: IntakeConfig;
  readonly report: ReportSpec & { readonly pipeline: string };
  /** The trigger rules that all jobs share. */
  readonly triggers: Omit<TriggerRules, 'jobs'>;
  /** What happens to a patchset before its jobs run. */
  readonly prepare: PreparePlan;
  readonly monitoring: { readonly intervalMs: number; readonly limits: HealthLimits };
  readonly git: GitCacheConfig;
  readonly providers: readonly ProviderConfig[];
  /** Limits and priorities of individual projects, by name. */
  readonly projects: Readonly<Record<string, ProjectConfig>>;
  /** How many jobs may use each back end at a time, by its name. */
  readonly backends: Readonly<Record<string, number>>;
  /** Added to a job's waiting time, by what started it. */
  readonly headStartsMs: Readonly<Record<TriggerKind, number>>;
  readonly logs: LogsConfig;
  readonly database: DatabaseConfig;
  /** Secret values that must not appear in evidence, comments or logs. Never printed. */
  readonly redact: readonly string[];
  readonly janitors: readonly JanitorConfig[];
  readonly limits: ServiceLimits;
  readonly jobs: readonly JobDefinition[];
  readonly log: { readonly level: string };
  readonly doctor: DoctorConfig;
}

/** Timeouts and thresholds of `sos-ci doctor`. */
export interface DoctorConfig {
  /** For one check. */
  readonly timeoutMs: number;
  /** How long Gerrit may take to refuse the stream. */
  readonly streamWaitMs: number;
  readonly diskFreeBytes: number;
  readonly nodeDiskFreeBytes: number;
  readonly clockSkewMs: number;
}

export interface DatabaseConfig {
  /** A history that was closed longer ago leaves for an archive file; 0: none leaves. */
  readonly keepMs: number;
  /** Of all archive files. */
  readonly maxArchiveBytes: number;
}

/** Limits on the repositories in which patches are merged. */
export interface GitCacheConfig {
  /** All repositories in total. */
  readonly maxCacheBytes: number;
  readonly maxProjects: number;
  /** Number of packs in one repository that triggers a repack. */
  readonly repackThreshold: number;
  /** For the first fetch of a project. */
  readonly cloneTimeoutMs: number;
  /** Minimum time between two clones that replace a broken repository. */
  readonly recloneIntervalMs: number;
}

export interface GerritConfig {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
  /** TCP, handshake and login together. */
  readonly connectTimeoutMs: number;
  readonly keepaliveMs: number;
  /** Unanswered keepalives after which the connection counts as dead. */
  readonly keepaliveMax: number;
  /** After this long without a byte on the stream, the daemon checks the connection. */
  readonly streamIdleTimeoutMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly maxEventBytes: number;
  /** One query or one review. */
  readonly commandTimeoutMs: number;
  /** How long a review may still arrive after its connection broke. */
  readonly postSettleTimeoutMs: number;
  /** Wait before a refused stream (host key, key, missing permission) is retried. */
  readonly authRetryIntervalMs: number;
  /** For an orderly close of a connection; then it is cut. */
  readonly closeTimeoutMs: number;
  /** Reviews in flight over REST; further ones wait. */
  readonly maxConcurrentReviews: number;
  /** Queries in flight, all over one connection; further ones wait. */
  readonly maxConcurrentQueries: number;
  /** How long an unused query connection is kept. */
  readonly idleMs: number;
  /** How long Gerrit may take to show an upload. */
  readonly indexLagMs: number;
  /** Maximum number of files read of a patchset. A patchset with more matches every pattern. */
  readonly maxFiles: number;
  /** The longest response to one query. */
  readonly maxResponseBytes: number;
  /** Null: reviews are posted over SSH. */
  readonly rest: RestConfig | null;
  /** URL from which patchsets are fetched, containing {project}; null: the same Gerrit over SSH. */
  readonly fetchUrl: string | null;
}

/** The source of a secret: exactly one of the two is set. */
export interface PasswordSource {
  /** Absolute. */
  readonly file: string | null;
  /** Name of an environment variable of the daemon. */
  readonly env: string | null;
}

export interface RestConfig {
  readonly url: string;
  readonly user: string;
  readonly password: PasswordSource;
  readonly caFile: string | null;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
  /** The longest Retry-After that is honoured. */
  readonly maxRetryAfterMs: number;
}

/** Mail to people and to the operator. */
export interface MailConfig {
  readonly from: { readonly name: string; readonly address: string };
  readonly to: readonly string[];
  readonly on: 'failure' | 'always' | 'never';
  readonly alarmsTo: readonly string[];
  readonly maxAlarmMailsPerHour: number;
  /** Alarms within this time share one mail. */
  readonly alarmBatchDelayMs: number;
  /** SMTP server, or a program on this host. */
  readonly by: SmtpConfig | { readonly sendmail: readonly string[] };
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly retryMs: number;
}

export interface SmtpConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: 'starttls' | 'tls' | 'none';
  /** Null: no login. */
  readonly login: { readonly user: string; readonly password: PasswordSource } | null;
  readonly caFile: string | null;
}

/** How events that the stream lost are found, and where all events are archived. */
export interface IntakeConfig {
  /** How far before the newest event a catch-up query begins. */
  readonly overlapMs: number;
  /** How far the times of the stream and of a query may differ for the same event. */
  readonly clockToleranceMs: number;
  /** How long a handled event is remembered. */
  readonly dedupRetentionMs: number;
  /** Changes in one page of a query. */
  readonly pageSize: number;
  /** Limit on open jobs, and on open reviews, whose changes each query includes. */
  readonly maxOpenReviews: number;
  readonly stream: StreamLimits;
  readonly segments: SegmentsConfig;
}

/** Gerrit's events unmodified, in files that are closed by size and age and removed by age and total size. */
export interface SegmentsConfig {
  readonly keep: boolean;
  /** Absolute. */
  readonly dir: string;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  /** Limit on lines that wait for the disk; further ones are counted and dropped. */
  readonly bufferBytes: number;
  /** Wait after a disk error. */
  readonly retryMs: number;
}

export type ProviderConfig =
  | LocalProviderConfig
  | StaticProviderConfig
  | CommandProviderConfig
  | OpenStackProviderConfig;

export interface LocalProviderConfig {
  readonly type: 'local';
  readonly name: string;
  /** Maximum number of servers, and so of jobs, at the same time. */
  readonly slots: number;
  /** Allows patchsets of a Gerrit on another host to run as this user. */
  readonly allowUntrustedCode: boolean;
  /** The account that commands run as; null: the daemon's own. */
  readonly user: string | null;
  /** For ending a server's processes and removing its directory. */
  readonly deleteTimeoutMs: number;
}

/** A list of hosts, each leased to one job at a time. */
export interface StaticProviderConfig {
  readonly type: 'static';
  readonly name: string;
  /** The number of hosts. */
  readonly slots: number;
  readonly ssh: SshConfig;
  readonly hosts: readonly StaticHostConfig[];
  /** Runs on a host before a job uses it; null: no reset. */
  readonly reset: { readonly argv: readonly string[]; readonly timeoutMs: number } | null;
  /** Failures in a row after which a host is quarantined, and for how long. */
  readonly quarantineAfterFailures: number;
  readonly quarantineMs: number;
  /** For ending a server's processes and removing its directory. */
  readonly deleteTimeoutMs: number;
}

export interface StaticHostConfig {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Absolute path on the host; each job gets a directory below it. */
  readonly directory: string;
  /** As in known_hosts, without the name; null: from the known hosts file, or pinned at first contact. */
  readonly hostKey: string | null;
}

/** Servers that the user's own programs create, list and delete. */
export interface CommandProviderConfig {
  readonly type: 'command';
  readonly name: string;
  readonly slots: number;
  readonly ssh: SshConfig;
  /** Defaults for a server, used where the program does not report them. */
  readonly node: { readonly user: string; readonly port: number; readonly directory: string };
  readonly create: readonly string[];
  readonly list: readonly string[];
  readonly delete: readonly string[];
  readonly listTimeoutMs: number;
  readonly deleteTimeoutMs: number;
  readonly outputLimitBytes: number;
  /** Names of the daemon's environment variables that are passed to the programs. */
  readonly environment: readonly string[];
  /** Present only if the programs are playbooks. */
  readonly playbooks?: { readonly inventory: string | null; readonly variableFiles: readonly string[] };
}

/** Servers in an OpenStack project. Names may also be ids. */
export interface OpenStackProviderConfig {
  readonly type: 'openstack';
  readonly name: string;
  readonly slots: number;
  readonly ssh: SshConfig;
  /** User null: the image's `os_admin_user`, else `ubuntu`. */
  readonly node: { readonly user: string | null; readonly port: number; readonly directory: string };
  /** A cloud of clouds.yaml; null: from the environment, unless `openrcFile` is set. */
  readonly cloud: string | null;
  readonly openrcFile: string | null;
  readonly image: string;
  readonly flavor: string;
  /** The server gets a port in each. The first is for the login. */
  readonly networks: readonly string[];
  /** Null: the login is at the fixed address. */
  readonly floatingNetwork: string | null;
  /** Empty: the project's default. */
  readonly securityGroups: readonly string[];
  readonly availabilityZone: string | null;
  /** Hints for Nova's scheduler filters, such as `group`. */
  readonly schedulerHints: Readonly<Record<string, unknown>>;
  /** Name of the cloud user's key pair for `ssh.key`. Null: one is created for each server. */
  readonly keyPair: string | null;
  readonly configDrive: boolean;
  readonly userDataFile: string | null;
  /** Null: no volume; the server boots from the flavor's disk. */
  readonly bootVolumeGb: number | null;
  readonly deleteTimeoutMs: number;
}

/** How a provider's nodes are reached, and how long they may be unreachable. */
export interface SshConfig {
  readonly keyFile: string;
  /** Contains the nodes' host keys; null: pinned at first contact, for each server. */
  readonly knownHostsFile: string | null;
  /** TCP, handshake and login together. */
  readonly connectTimeoutMs: number;
  readonly keepaliveMs: number;
  /** Unanswered keepalives after which the connection counts as dead. */
  readonly keepaliveMax: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** One short command on a node, or one request for a file. */
  readonly commandTimeoutMs: number;
  /** After this long without a connection, the node's run counts as lost. */
  readonly reconnectTimeoutMs: number;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
  /** How often a run is polled without a notification. */
  readonly pollIntervalMs: number;
}

export interface ProjectConfig {
  /** Maximum number of concurrent jobs; null: no limit. */
  readonly concurrency: number | null;
  /** Added to the time since the project was last served. */
  readonly priorityMs: number;
}

/** A named job: what it runs, and for which changes. */
export interface JobDefinition {
  /** Who can read the job's secrets, as declared by the operator; null: it has none. */
  readonly exposesSecretsTo: string | null;
  /** Maximum number of concurrent runs; null: no limit. */
  readonly concurrency: number | null;
  readonly spec: JobSpec;
  readonly rules: JobRules;
}
