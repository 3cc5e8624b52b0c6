/**
 * How far Gerrit's events were taken, by Gerrit's own clock. It moves behind what is durable, never ahead of it, and
 * not at all while anything may have been missed. The origin bounds what a look back may start.
 */
import type { Clock } from '../ports/adapters.ts';
import type { CheckpointRecord, Store } from '../ports/store.ts';

export interface IntakeLimits {
  /** How far before the position a look begins. */
  readonly overlapMs: number;
  /** By how much the times of the stream and of a query may differ for the same thing. */
  readonly clockToleranceMs: number;
  /** How long before the position what was seen is remembered. */
  readonly dedupRetentionMs: number;
  /** Open jobs, and open reviews, whose changes are looked at whenever anything is. */
  readonly maxOpenReviews: number;
}

/** What is forgotten in one go: it shares the disk with the log. */
const FORGOTTEN_AT_ONCE = 1_000;
/** By how much Gerrit's clock may be ahead of ours until its times are not believed: a position ahead of the truth would lose events. */
const AHEAD_MS = 300_000;

export class Checkpoint {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: IntakeLimits;
  #kept: CheckpointRecord = { origin: 0, position: 0, forgotten: 0 };
  /** The newest time that was told and is durable. */
  #newest = 0;

  constructor(store: Store, clock: Clock, limits: IntakeLimits) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Without a stored position we begin now; `since` opts in to more. Returns what must be noted, or null. */
  begin(since: number | null): CheckpointRecord | null {
    const known = this.#store.intakePosition();
    if (known !== null && since === null) {
      this.#kept = known;
      return null;
    }
    const from = since ?? Math.floor(this.#clock.now() / 1_000) * 1_000;
    const { origin, position, forgotten } = known ?? { origin: from, position: from, forgotten: 0 };
    this.#kept = { origin: Math.min(origin, from), position: Math.min(position, from), forgotten };
    return this.#kept;
  }

  /** Nothing older is started by a look. */
  get from(): number {
    const { origin, position, forgotten } = this.#kept;
    const { overlapMs, clockToleranceMs } = this.#limits;
    const remembered = forgotten === 0 ? 0 : forgotten + clockToleranceMs;
    return Math.max(origin, position - overlapMs, remembered);
  }

  /** Something was told at `at`, and is durable. */
  observe(at: number): void {
    this.#newest = Math.max(this.#newest, Math.min(at, this.#clock.now() + AHEAD_MS));
  }

  /**
   * What the stream tells has just happened: when it lies before our origin, our clock was ahead of Gerrit's when we
   * began. Returns what must be noted, or null.
   */
  lowerOrigin(at: number): CheckpointRecord | null {
    if (at <= 0 || at >= this.#kept.origin) return null;
    this.#kept = { ...this.#kept, origin: at };
    return this.#kept;
  }

  /** Nothing can have been missed up to what was heard. */
  advance(): void {
    if (this.#newest <= this.#kept.position) return;
    this.#kept = { ...this.#kept, position: this.#newest };
    this.#store.moveIntake(this.#newest);
  }

  /** Forgets what no look reaches any more, a part of it. */
  forget(): void {
    const before = this.#kept.position - this.#limits.dedupRetentionMs;
    if (before <= 0 || this.#store.forgetSeen(before, FORGOTTEN_AT_ONCE) === 0) return;
    this.#kept = { ...this.#kept, forgotten: Math.max(this.#kept.forgotten, before) };
  }
}
