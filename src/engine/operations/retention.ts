/**
 * Removes published evidence that has expired, several times a day, and moves old histories out of the database, once a
 * day. Evidence that an open review or an open publication needs is kept, however old it is.
 */
import { errorText, OperationError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { publicationOf } from '../../machines/job/publication.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { Adapters, Clock, Evidence } from '../ports/adapters.ts';
import type { StoreReader } from '../ports/store.ts';
import { type Archiving, runArchiving } from './archiving.ts';

/** A start comes first: it recovers jobs, and reads the same disk. */
const FIRST_MS = 60_000;
const INTERVAL_MS = 6 * 3_600_000;
/** A day's histories make one or two files. */
const ARCHIVE_INTERVAL_MS = 24 * 3_600_000;
/** For one round. Thousands of directories are removed in it, and the next round continues. */
const ROUND_LIMIT_MS = 1_800_000;

export interface RetentionOptions {
  readonly evidence: Pick<Evidence, 'expire'>;
  readonly store: Pick<StoreReader, 'job' | 'review' | 'stored'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly hide: Adapters['hide'];
  readonly deployment: string;
  /** 0: nothing expires. */
  readonly keepMs: number;
  /** Null: histories stay in the database. */
  readonly archiving: Pick<Archiving, 'run'> | null;
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly #stopping = new AbortController();
  #round: Promise<void> = Promise.resolve();
  #archiveAt = 0;
  #cancel: () => void = () => {};

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  start(): void {
    const { keepMs, archiving } = this.#options;
    if (keepMs > 0 || archiving !== null) this.#schedule(FIRST_MS);
  }

  /** Ends the current round and begins no other. Resolves when no work of it remains. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancel();
    await this.#round;
  }

  #schedule(delayMs: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#cancel = this.#options.clock.after(delayMs, () => {
      this.#round = this.#work().then(() => this.#schedule(INTERVAL_MS));
    });
  }

  async #work(): Promise<void> {
    const { keepMs, archiving, clock, log, hide } = this.#options;
    if (keepMs > 0) await this.#expire();
    if (archiving === null || this.#stopping.signal.aborted || clock.now() < this.#archiveAt) return;
    this.#archiveAt = clock.now() + ARCHIVE_INTERVAL_MS;
    await runArchiving(archiving, this.#stopping.signal, log, hide);
  }

  async #expire(): Promise<void> {
    const { evidence, deployment, keepMs, clock, log, hide } = this.#options;
    const expiry = {
      deployment,
      before: clock.now() - keepMs,
      isNeeded: (job: string) => this.#isNeeded(job),
    };
    try {
      const removed = await evidence.expire(expiry, ROUND_LIMIT_MS, this.#stopping.signal);
      if (removed > 0) log.info({ removed }, `removed evidence that is older than ${formatLimit(keepMs)}`);
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      if (this.#stopping.signal.aborted) return;
      log.warn({ hint: thrown.hint }, `expired evidence: ${hide(errorText(thrown))}`);
    }
  }

  #isNeeded(id: string): boolean {
    const { store } = this.#options;
    if (store.stored(publicationOf(id))?.ended === false) return true;
    const job = store.job(id);
    // No review of this database needs the evidence of a job that it does not know.
    return job !== null && (!job.ended || store.review(job.review)?.ended === false);
  }
}
