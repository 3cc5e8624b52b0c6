/** The shape of `logs`: where evidence is published, and its limits. */

/** Where evidence is published. */
export interface LogsConfig {
  readonly destination: LogsDestination;
  /** The address for readers; '' is the directory itself as a file:// address. */
  readonly url: string;
  /** For how long published evidence is kept; 0: forever. */
  readonly keepMs: number;
  readonly limits: EvidenceLimits;
}

export type LogsDestination =
  /** A directory on this host. */
  | { readonly type: 'directory'; readonly dir: string }
  | LogServerConfig
  | LogsPlaybookConfig
  | LogsSwiftConfig;

/** Playbooks that publish on the hosts of the group `log_server`. */
export interface LogsPlaybookConfig {
  readonly type: 'playbook';
  /** Paths, or names in a collection. */
  readonly publish: string;
  /** Null: published directories stay. */
  readonly expire: string | null;
  readonly inventory: string;
}

/** A container of Swift. */
export interface LogsSwiftConfig {
  readonly type: 'swift';
  readonly container: string;
  /** A cloud of clouds.yaml; null: from the environment, unless `openrcFile` is set. */
  readonly cloud: string | null;
  readonly openrcFile: string | null;
  /** Swift deletes an object after this time; 0: never. */
  readonly deleteAfterMs: number;
}

/** A log server, and the account that publishes there over SFTP. */
export interface LogServerConfig {
  readonly type: 'ssh';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
  /** The root of all logs there. */
  readonly dir: string;
  /** TCP, handshake and login together. */
  readonly connectTimeoutMs: number;
  readonly keepaliveMs: number;
  /** Unanswered keepalives after which the connection counts as dead. */
  readonly keepaliveMax: number;
  readonly closeTimeoutMs: number;
}

/** Limits on a job's evidence that are the same for all jobs. */
export interface EvidenceLimits {
  /** Bytes of one file; only the beginning of a longer file is published. */
  readonly maxFileBytes: number;
  /** Directory entries that are examined for one job. */
  readonly maxEntries: number;
  /** Nested directories. */
  readonly maxDepth: number;
  /** Skipped files that are listed by name. */
  readonly maxIndexEntries: number;
}
