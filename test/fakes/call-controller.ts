/**
 * Controls the calls of a fake: the next call fails, the next call hangs until the test releases it, or the test
 * waits for a future call. Outlives a restart of the engine, because it simulates the outside.
 */
import { OperationError } from '../../src/errors.ts';
import type { Failure } from '../../src/machines/model/domain.ts';

/** Where a held call hangs: before it takes effect, or after it, before its answer. */
export type Hold = 'request' | 'answer';

interface Planned<Call> {
  readonly call: Call | null;
}

interface Waiter<Call> {
  readonly call: Call;
  readonly count: number;
  readonly resolve: () => void;
}

export class CallController<Call extends string> {
  readonly #counts = new Map<Call, number>();
  #failures: (Planned<Call> & { readonly failure: Failure })[] = [];
  #holds: (Planned<Call> & { readonly hold: Hold })[] = [];
  #held: { readonly call: Call; readonly resume: () => void }[] = [];
  #waiters: Waiter<Call>[] = [];

  /** The next call (of this name, if given) rejects without effect. Several failures queue up. */
  failNext(failure: Failure, call: Call | null = null): void {
    this.#failures.push({ call, failure });
  }

  /** The next call (of this name, if given) hangs until `release`. */
  holdNext(hold: Hold, call: Call | null = null): void {
    this.#holds.push({ call, hold });
  }

  /** Continues the oldest held call (of this name, if given). False: none is held. */
  release(call: Call | null = null): boolean {
    const index = this.#held.findIndex((held) => call === null || held.call === call);
    const [held] = index < 0 ? [] : this.#held.splice(index, 1);
    held?.resume();
    return held !== undefined;
  }

  /** Number of calls that hang now. */
  get held(): number {
    return this.#held.length;
  }

  /** Number of calls, including failed and held ones. */
  count(call: Call): number {
    return this.#counts.get(call) ?? 0;
  }

  /** Resolves when `call` has been made `count` times in total. */
  reached(call: Call, count = 1): Promise<void> {
    if (this.count(call) >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ call, count, resolve }));
  }

  /** Performs one call: counts it, then fails, hangs or continues as configured. `act` is the effect. */
  async perform<T>(call: Call, signal: AbortSignal | null, act: () => T): Promise<T> {
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
      const held = { call, resume: resolve };
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
    hint: 'the test aborted this call',
  });
}
