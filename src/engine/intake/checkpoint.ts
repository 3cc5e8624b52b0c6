/**
 * The position up to which Gerrit's events are processed, by Gerrit's own clock. It advances only after events are
 * durable, and not at all while events may have been missed. The origin limits what a catch-up may start.
 */
import type { Clock } from '../ports/adapters.ts';
import type { CheckpointRecord, Store } from '../ports/store.ts';

export interface IntakeLimits {
  /** How long before the position a catch-up query begins. */
  readonly overlapMs: number;
  /** How far the times of the stream and of a query may differ for the same event. */
  readonly clockToleranceMs: number;
  /** How long before the position seen events are remembered. */
  readonly dedupRetentionMs: number;
  /** Limit on open jobs, and on open reviews, whose changes every catch-up query includes. */
  readonly maxOpenReviews: number;
}

/** Limit on events pruned at a time: pruning shares the disk with the log. */
const PRUNED_AT_ONCE = 1_000;
/**
 * How far Gerrit's clock may be ahead of ours before its times are ignored: a position ahead of the real time would
 * lose events.
 */
const AHEAD_MS = 300_000;

export class Checkpoint {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: IntakeLimits;
  #record: CheckpointRecord = { origin: 0, position: 0, prunedBefore: 0 };
  /** The newest event time that is durable. */
  #newest = 0;

  constructor(store: Store, clock: Clock, limits: IntakeLimits) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Without a stored position the origin is now; `since` sets an earlier one. Returns what must be stored, or null. */
  begin(since: number | null): CheckpointRecord | null {
    const known = this.#store.intakePosition();
    if (known !== null && since === null) {
      this.#record = known;
      return null;
    }
    const from = since ?? Math.floor(this.#clock.now() / 1_000) * 1_000;
    const { origin, position, prunedBefore } = known ?? { origin: from, position: from, prunedBefore: 0 };
    this.#record = { origin: Math.min(origin, from), position: Math.min(position, from), prunedBefore };
    return this.#record;
  }

  /** The earliest event time for which a catch-up starts work. */
  get from(): number {
    const { origin, position, prunedBefore } = this.#record;
    const { overlapMs, clockToleranceMs } = this.#limits;
    const remembered = prunedBefore === 0 ? 0 : prunedBefore + clockToleranceMs;
    return Math.max(origin, position - overlapMs, remembered);
  }

  /** Records the time of a durable event. */
  observe(at: number): void {
    this.#newest = Math.max(this.#newest, Math.min(at, this.#clock.now() + AHEAD_MS));
  }

  /**
   * Lowers the origin to the time of a streamed event. The event has just happened, so an earlier time shows that our
   * clock was ahead of Gerrit's when the origin was set. Returns what must be stored, or null.
   */
  lowerOrigin(at: number): CheckpointRecord | null {
    if (at <= 0 || at >= this.#record.origin) return null;
    this.#record = { ...this.#record, origin: at };
    return this.#record;
  }

  /** Advances to the newest observed time: nothing can have been missed until then. */
  advance(): void {
    if (this.#newest <= this.#record.position) return;
    this.#record = { ...this.#record, position: this.#newest };
    this.#store.moveIntake(this.#newest);
  }

  /** Prunes a batch of seen events that no catch-up can reach any more. */
  prune(): void {
    const before = this.#record.position - this.#limits.dedupRetentionMs;
    if (before <= 0 || this.#store.pruneSeen(before, PRUNED_AT_ONCE) === 0) return;
    this.#record = { ...this.#record, prunedBefore: Math.max(this.#record.prunedBefore, before) };
  }
}
