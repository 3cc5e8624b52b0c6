/**
 * Follows one job by reading the daemon's store, and shows its stages. Continues when the daemon dies, because it reads only
 * the store.
 */
import type { JobView, NumberedRow, StoreReader } from '../engine/ports/store.ts';
import { formatDuration } from '../machines/model/duration.ts';
import { describeState } from '../machines/protocol/version.ts';
import { isEnded, versionOf } from '../machines/versions.ts';
import type { Screen } from './output.ts';
import { waitFor } from './wait.ts';

const STAGE_TIMEOUT_MS = 60_000;

/** The queries that it uses. */
export type WatchedStore = Pick<StoreReader, 'jobs' | 'job' | 'review' | 'rows'>;

export class StageWatch {
  readonly #reader: WatchedStore;
  readonly #change: number;
  readonly #screen: Screen;
  readonly #signal: AbortSignal;
  readonly #assertDaemonRuns: () => void;
  #job = '';
  #rowsSeen = 0;
  #stage = '';
  #since = 0;
  #attempt = 1;

  /** `assertDaemonRuns` throws when waiting is pointless. */
  constructor(
    reader: WatchedStore,
    change: number,
    screen: Screen,
    signal: AbortSignal,
    assertDaemonRuns: () => void,
  ) {
    this.#reader = reader;
    this.#change = change;
    this.#screen = screen;
    this.#signal = signal;
    this.#assertDaemonRuns = assertDaemonRuns;
  }

  /** The job's id; '' until it is accepted. */
  get job(): string {
    return this.#job;
  }

  /** Waits until the job is in this stage. */
  async waitForStage(stage: string): Promise<void> {
    await this.#until(`change ${this.#change} to reach ${stage}`, () => this.#stage === stage);
  }

  /** Waits until the test holds, and shows stages meanwhile. */
  async waitUntil<T>(what: string, test: () => T | null | false | Promise<T | null | false>): Promise<T> {
    return this.#until(what, test);
  }

  /** Waits until the job and its review have ended. */
  async waitForEnd(): Promise<JobView> {
    return this.#until(`change ${this.#change} to end`, () => {
      const job = this.#reader.job(this.#job);
      if (job === null || !job.ended) return null;
      return this.#reader.review(job.review)?.ended ? job : null;
    });
  }

  #until<T>(what: string, test: () => T | null | false | Promise<T | null | false>): Promise<T> {
    return waitFor(what, STAGE_TIMEOUT_MS, this.#signal, () => {
      this.#assertDaemonRuns();
      this.#check();
      return test();
    });
  }

  #check(): void {
    if (this.#job === '') {
      this.#job = this.#reader.jobs({ change: this.#change, limit: 1 })[0]?.id ?? '';
      if (this.#job === '') return;
    }
    const rows = this.#reader.rows(this.#job);
    for (const row of rows.slice(this.#rowsSeen)) this.#show(row);
    this.#rowsSeen = rows.length;
  }

  #show(row: NumberedRow): void {
    const stage = stageOf(row);
    const attempt = startedAttempt(row);
    if (stage === this.#stage && (attempt === null || attempt === this.#attempt)) return;
    if (this.#stage !== '') this.#screen.finish(formatDuration(row.at - this.#since));
    this.#stage = stage;
    this.#since = row.at;
    if (isEnded(row)) return;
    if (attempt !== null && attempt > this.#attempt) {
      this.#attempt = attempt;
      this.#screen.note(`attempt ${attempt}`);
    }
    this.#screen.begin(stage);
  }
}

/** The stage of a row: `testing` for `testing.running`; between two attempts, the description of the state. */
function stageOf({ machine, state }: NumberedRow): string {
  const text = describeState(versionOf({ machine }).machine, state);
  return text === state ? (state.split('.')[0] ?? state) : text;
}

/** The attempt that a row starts. */
function startedAttempt(row: NumberedRow): number | null {
  for (const effect of row.effects) if (effect.type === 'createServer') return effect.owner.attempt;
  return null;
}
