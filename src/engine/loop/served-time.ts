/**
 * How much of a wait some daemon was alive for. Deadlines count this time only: a job that waited through two days of
 * downtime has not had its time in the queue, and a clock that was set forward has taken none of it. The gaps are kept
 * beside the log; the last row and a regular note say when a daemon that was killed was last alive.
 */
import type { Clock } from '../ports/adapters.ts';
import type { Gap, ServedNote, Store } from '../ports/store.ts';

/** Clocks that are disciplined move by less than this between two checks. */
const TOLERANCE_MS = 1_000;
/** Gaps that are kept. Past it the oldest one counts as served, in a daemon that is restarted this often in one wait. */
const GAPS_LIMIT = 100;

export class ServedTime {
  readonly #store: Pick<Store, 'servedNote' | 'noteServed' | 'lastRowAt'>;
  readonly #clock: Clock;
  #note: ServedNote;
  /** Monotonic time at `aliveAt`; null: an earlier daemon was alive then. */
  #mark: number | null = null;

  constructor(store: Pick<Store, 'servedNote' | 'noteServed' | 'lastRowAt'>, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#note = { aliveAt: clock.now(), gaps: [] };
  }

  /** Call before timers are armed: what passed since the last daemon was alive is a gap. */
  begin(): void {
    const note = this.#store.servedNote();
    const alive = Math.max(note?.aliveAt ?? 0, this.#store.lastRowAt() ?? 0);
    this.#note = { aliveAt: alive === 0 ? this.#clock.now() : alive, gaps: note?.gaps ?? [] };
    this.#mark = null;
    this.beat();
  }

  /** Notes that this daemon is alive, and by how much the wall clock was set forward meanwhile. */
  beat(): void {
    this.#advance();
    this.#store.noteServed(this.#note);
  }

  /** The same, written down only when the clock was set. Cheap: called with every row. */
  check(): void {
    if (this.#advance()) this.#store.noteServed(this.#note);
  }

  /** Milliseconds since `at` (wall clock) for which a daemon was alive. */
  since(at: number): number {
    const now = this.#clock.now();
    const missed = this.#note.gaps.map((gap) => Math.max(0, Math.min(gap.to, now) - Math.max(gap.from, at)));
    return Math.max(
      0,
      missed.reduce((left, ms) => left - ms, now - at),
    );
  }

  /** True: there was a gap. */
  #advance(): boolean {
    const [now, mark] = [this.#clock.now(), this.#clock.monotonic()];
    const passed = this.#mark === null ? 0 : mark - this.#mark;
    const missed = now - this.#note.aliveAt - passed;
    const gaps: readonly Gap[] =
      missed > TOLERANCE_MS ? [...this.#note.gaps, { from: now - missed, to: now }] : this.#note.gaps;
    const grown = gaps !== this.#note.gaps;
    this.#note = { aliveAt: now, gaps: gaps.slice(-GAPS_LIMIT) };
    this.#mark = mark;
    return grown;
  }
}
