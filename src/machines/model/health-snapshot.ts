/** The inputs of the health check: this host's disks, the database, our reports and those of other CIs. */

export interface HealthLimits {
  /** Free bytes on a disk below which an alarm is raised. */
  readonly diskFreeBytes: number;
  /** The same for free inodes, on file systems that count them. */
  readonly diskFreeFiles: number;
  /** Size of the write-ahead log above which an alarm is raised. */
  readonly walBytes: number;
  /** An alarm is raised if we reported nothing in this much listening time ... */
  readonly maxSilenceMs: number;
  /** ... in which other CIs sent at least this many reports on changes that our rules match. */
  readonly minOtherReports: number;
}

export interface DiskSnapshot {
  /** Absolute. */
  readonly path: string;
  /** What is stored there, for people. */
  readonly holds: string;
  /** Null: unknown. */
  readonly freeBytes: number | null;
  /** Null: unknown, or the file system has no such limit. */
  readonly freeFiles: number | null;
}

/** Reports since our newest one. */
export interface ReportActivity {
  /** Our newest report, epoch ms; null: none yet. */
  readonly ownAt: number | null;
  /** How long the stream was connected since then: time while it is down does not count. */
  readonly listenedMs: number;
  /** Reports of other CIs received in that time, on changes that our rules match. */
  readonly others: number;
}

export interface HealthSnapshot {
  readonly disks: readonly DiskSnapshot[];
  /** Size of the write-ahead log; null: unknown. */
  readonly walBytes: number | null;
  /** Null: reporting is disabled, so no report is missing. */
  readonly reports: ReportActivity | null;
  /** Why Gerrit's events cannot be archived in files now; null: they can, or archiving is disabled. */
  readonly archiveProblem: string | null;
}
