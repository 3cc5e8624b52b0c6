/** What an operator must hear of, and nobody else can mend: one line of what happened, and one of what to do next. */

export interface Alarm {
  readonly kind:
    | 'vote-refused'
    | 'vote-dropped'
    | 'review-unposted'
    | 'server-leaked'
    | 'evidence-left'
    | 'evidence-pending'
    | 'evidence-lost'
    | 'job-stuck'
    | 'stream-forbidden'
    | 'stream-down'
    | 'connections-refused'
    | 'catch-up-failing'
    | 'storage-full'
    | 'database-gone'
    | 'queue-full'
    | 'start-limit'
    | 'node-failing'
    | 'command-missing'
    | 'no-result'
    | 'mail-unsent'
    | 'template-broken'
    | 'voting-stopped'
    | 'nothing-reported'
    | 'disk-low'
    | 'wal-large'
    | 'events-unkept';
  readonly target: string;
  readonly message: string;
  readonly hint: string;
  /** True: what it told of is over, by itself. */
  readonly cleared?: true;
}
