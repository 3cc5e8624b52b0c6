/**
 * What every fake lets a test prepare: the next call fails, the next call hangs until the test lets it go, and a
 * wait for a call that has not come yet. It belongs to the outside world, so it outlives an engine that is thrown
 * away and made again.
 */
import { OperationError } from '../../src/errors.ts';
import type { Failure } from '../../src/machines/model/domain.ts';

/** Where a held call hangs: before the outside did anything, or when only the answer is missing. */
export type Hold = 'request' | 'answer';

interface Planned<Call> {
  readonly call: Call | null;
}

interface Waiter<Call> {
  readonly call: Call;
  readonly count: number;
  readonly resolve: () => void;
}

export class Rehearsal<Call extends string> {
  readonly #counts = new Map<Call, number>();
  #failures: (Planned<Call> & { readonly failure: Failure })[] = [];
  #holds: (Planned<Call> & { readonly hold: Hold })[] = [];
  #held: { readonly call: Call; readonly letGo: () => void }[] = [];
  #waiters: Waiter<Call>[] = [];

  /** The next call (of this name, when given) rejects, and the outside does nothing. Several queue up. */
  failNext(failure: Failure, call: Call | null = null): void {
    this.#failures.push({ call, failure });
  }

  /** The next call (of this name, when given) hangs until `release`. */
  holdNext(hold: Hold, call: Call | null = null): void {
    this.#holds.push({ call, hold });
  }

  /** Lets the oldest held call go on (of this name, when given). False: none is held. */
  release(call: Call | null = null): boolean {
    const index = this.#held.findIndex((held) => call === null || held.call === call);
    const [held] = index < 0 ? [] : this.#held.splice(index, 1);
    held?.letGo();
    return held !== undefined;
  }

  /** Number of calls that hang now. */
  get held(): number {
    return this.#held.length;
  }

  /** How often it was called, failed and held calls included. */
  count(call: Call): number {
    return this.#counts.get(call) ?? 0;
  }

  /** Resolves when `call` has been made `count` times, counted from the fake's beginning. */
  reached(call: Call, count = 1): Promise<void> {
    if (this.count(call) >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ call, count, resolve }));
  }

  /** Performs one call: counts it, then fails, hangs or continues as configured. `act` is the outside effect. */
  async play<T>(call: Call, signal: AbortSignal | null, act: () => T): Promise<T> {
    this.#enter(call);
    const failure = take(this.#failures, call)?.failure;
    if (failure !== undefined) throw new OperationError(failure);
    const hold = take(this.#holds, call)?.hold;
    if (hold === 'request') await this.#hang(call, signal);
    if (signal?.aborted) throw aborted(call);
    const answer = act();
    if (hold === 'answer') await this.#hang(call, signal);
    else await Promise.resolve();
    return answer;
  }

  #enter(call: Call): void {
    this.#counts.set(call, this.count(call) + 1);
    const ready = this.#waiters.filter((w) => w.call === call && this.count(call) >= w.count);
    this.#waiters = this.#waiters.filter((w) => !ready.includes(w));
    for (const waiter of ready) waiter.resolve();
  }

  #hang(call: Call, signal: AbortSignal | null): Promise<void> {
    return new Promise((resolve, reject) => {
      const held = { call, letGo: resolve };
      this.#held.push(held);
      const abort = () => {
        this.#held = this.#held.filter((other) => other !== held);
        reject(aborted(call));
      };
      if (signal?.aborted) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    });
  }
}

function take<Call, P extends Planned<Call>>(plans: P[], call: Call): P | undefined {
  const index = plans.findIndex((plan) => plan.call === null || plan.call === call);
  return index < 0 ? undefined : plans.splice(index, 1)[0];
}

function aborted(call: string): OperationError {
  return new OperationError({
    operation: call,
    target: 'the fake',
    message: 'no answer in time',
    retryable: true,
    hint: 'a test aborted this call',
  });
}
