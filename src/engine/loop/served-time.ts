/**
 * Measures how long a daemon was alive during a wait. Deadlines count only this time: neither two days of downtime nor
 * a clock that is set forward uses up a job's time in the queue. The gaps are stored beside the log; the last row and a
 * regular note show when a killed daemon was last alive.
 */
import type { Clock } from '../ports/adapters.ts';
import type { Gap, ServedNote, Store } from '../ports/store.ts';

/** Clock discipline such as NTP moves the clock by less than this between two checks. */
const TOLERANCE_MS = 1_000;
/** Limit on stored gaps. Past it the oldest gap counts as served time; this takes as many restarts within one wait. */
const GAPS_LIMIT = 100;

export class ServedTime {
  readonly #store: Pick<Store, 'servedNote' | 'noteServed' | 'lastRowAt'>;
  readonly #clock: Clock;
  #note: ServedNote;
  /** Monotonic time at `aliveAt`; null: `aliveAt` is from an earlier daemon. */
  #mark: number | null = null;

  constructor(store: Pick<Store, 'servedNote' | 'noteServed' | 'lastRowAt'>, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#note = { aliveAt: clock.now(), gaps: [] };
  }

  /** Call before timers are armed: records the time since the last daemon was alive as a gap. */
  begin(): void {
    const note = this.#store.servedNote();
    const alive = Math.max(note?.aliveAt ?? 0, this.#store.lastRowAt() ?? 0);
    this.#note = { aliveAt: alive === 0 ? this.#clock.now() : alive, gaps: note?.gaps ?? [] };
    this.#mark = null;
    this.beat();
  }

  /** Notes that this daemon is alive, and how far the wall clock was set forward since the last note. */
  beat(): void {
    this.#advance();
    this.#store.noteServed(this.#note);
  }

  /** Like `beat`, but stores the note only when the clock was set. Cheap: called for every batch. */
  check(): void {
    if (this.#advance()) this.#store.noteServed(this.#note);
  }

  /** Milliseconds since `at` (wall clock) during which a daemon was alive. */
  since(at: number): number {
    const now = this.#clock.now();
    const missed = this.#note.gaps.map((gap) => Math.max(0, Math.min(gap.to, now) - Math.max(gap.from, at)));
    return Math.max(
      0,
      missed.reduce((left, ms) => left - ms, now - at),
    );
  }

  /** Returns true when it found a gap. */
  #advance(): boolean {
    const [now, mark] = [this.#clock.now(), this.#clock.monotonic()];
    const passed = this.#mark === null ? 0 : mark - this.#mark;
    const missed = now - this.#note.aliveAt - passed;
    const gaps: readonly Gap[] =
      missed > TOLERANCE_MS ? [...this.#note.gaps, { from: now - missed, to: now }] : this.#note.gaps;
    const changed = gaps !== this.#note.gaps;
    this.#note = { aliveAt: now, gaps: gaps.slice(-GAPS_LIMIT) };
    this.#mark = mark;
    return changed;
  }
}
