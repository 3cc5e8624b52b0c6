/** The port through which a job's evidence gets to the place where its readers look. */

/** A job's directory of evidence: redacted, complete, with its pages and its manifest. */
export interface FinishedDirectory {
  readonly job: string;
  /** The directories from the root of all logs to this one: LAST2, CHANGE, PATCHSET, PIPELINE, JOB. */
  readonly parent: readonly string[];
  /** The names that the directory may have in `parent`, the usual one first. */
  readonly names: readonly string[];
  /** A directory of the daemon for this job alone. It is kept until the job's evidence is discarded. */
  readonly directory: string;
  /**
   * Writes the directory below `root`, a directory on this host, or finds the one that an earlier call wrote there. All
   * or nothing, after a crash too. Resolves to its path below `root`.
   */
  compose(root: string, signal: AbortSignal): Promise<readonly string[]>;
}

/**
 * Publishes finished directories below one root, each at `LAST2/CHANGE/PATCHSET/PIPELINE/JOB/ID`.
 *
 * - Atomic: a reader finds the complete directory or none. It is written under a name that begins with a dot, which web
 *   servers do not serve, and is renamed once.
 * - Idempotent: a second call finds the result of the first, also after a restart, and also when the evidence was
 *   discarded on this host in between. A published directory in which files are missing is replaced.
 * - Resumable: after a crash at any point, the next call continues. What it finds of the earlier call is used or
 *   removed.
 * - A job's directory is recognized by its manifest. A directory, file or link that is not this job's is never written
 *   to, moved or removed: the next name is used. Links below the root are not followed.
 * - Two publishers may use one root at the same time, in two daemons too.
 */
export interface Publisher {
  /**
   * Resolves to the path of the published directory below the root.
   * @throws OperationError, retryable if the destination may accept it later
   */
  publish(finished: FinishedDirectory, signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Removes published directories that have expired, and then parents that are left empty. Resolves to the number of
   * directories. A directory is removed only if it is a real directory at the path that its own manifest names, reached
   * without links, and if that manifest is of this deployment. Readers see it complete or not at all. After a crash,
   * the next call removes the rest. A destination that removes expired files itself has nothing to do here.
   */
  expire(expiry: Expiry, signal: AbortSignal): Promise<number>;
}

/** Which published directories have expired. */
export interface Expiry {
  readonly deployment: string;
  /** Those that were published before this time, epoch ms. */
  readonly before: number;
  /** True for a job that still needs its directory. */
  readonly isNeeded: (job: string) => boolean;
}
