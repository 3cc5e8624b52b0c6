/** Alarms for problems that an operator should know about: one line about the problem, and one about what to do next. */

export interface Alarm {
  readonly kind:
    | 'vote-rejected'
    | 'vote-dropped'
    | 'review-post-failed'
    | 'server-leaked'
    | 'evidence-leaked'
    | 'evidence-pending'
    | 'evidence-lost'
    | 'job-parked'
    | 'janitor-failed'
    | 'stream-access-denied'
    | 'stream-down'
    | 'connections-refused'
    | 'catch-up-failing'
    | 'storage-full'
    | 'database-missing'
    | 'queue-full'
    | 'rate-limit'
    | 'node-failing'
    | 'command-missing'
    | 'no-result'
    | 'mail-send-failed'
    | 'template-invalid'
    | 'voting-stopped'
    | 'no-reports'
    | 'disk-low'
    | 'wal-large'
    | 'event-archive-failing';
  readonly target: string;
  readonly message: string;
  readonly hint: string;
  /** True: the problem is over, without any action by the operator. */
  readonly cleared?: true;
}
