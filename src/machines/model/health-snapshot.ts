/** What one look around shows, as plain facts: this host's disks, our database, our reports and those of others. */

export interface HealthLimits {
  /** Less room on a disk than this is an alarm. */
  readonly diskFreeBytes: number;
  /** Fewer free inodes than this too, on file systems that count them. */
  readonly diskFreeFiles: number;
  /** A write-ahead log that is larger than this. */
  readonly walBytes: number;
  /** Nothing reported in so much time of listening ... */
  readonly quietMs: number;
  /** ... in which other CIs reported at least so often on what our rules cover. */
  readonly quietOthers: number;
}

export interface DiskSnapshot {
  /** Absolute. */
  readonly path: string;
  /** What is kept there, for people. */
  readonly holds: string;
  /** Null: nobody knows. */
  readonly freeBytes: number | null;
  /** Null: nobody knows, or there is no such limit. */
  readonly freeFiles: number | null;
}

/** Who has reported what since our newest report. */
export interface ReportActivity {
  /** Our newest report, epoch ms; null: there was none yet. */
  readonly ownAt: number | null;
  /** For how long Gerrit's stream was listened to since then: what happens while it is down counts for nothing. */
  readonly listenedMs: number;
  /** Reports of other CIs that were heard in that time, on changes that our rules cover. */
  readonly others: number;
}

export interface HealthSnapshot {
  readonly disks: readonly DiskSnapshot[];
  /** Of the write-ahead log; null: nobody knows. */
  readonly walBytes: number | null;
  /** Null: nothing is to be reported, so nothing is missing. */
  readonly reports: ReportActivity | null;
  /** Why Gerrit's events cannot be kept in files at present; null: they can, or are not to be. */
  readonly unkept: string | null;
}
