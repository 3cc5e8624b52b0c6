/**
 * The loop: step the waiting events, append the rows, perform the effects. All events of one tick go into one
 * transaction; effects are performed only after it is durable. A single loop processes one event at a time for each
 * history.
 */
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { Hash, HistorySnapshot } from '../../machines/protocol/row.ts';
import { asJanitor, type SlotLimits } from '../../machines/slot-queue.ts';
import { versionOf } from '../../machines/versions.ts';
import { sleep } from '../../timer.ts';
import type { Adapters, Clock } from '../ports/adapters.ts';
import type { EngineBounds } from '../ports/bounds.ts';
import { type IntakeUpdate, type LogEntry, type Store, StoreUnavailable } from '../ports/store.ts';
import type { TestsRead } from '../ports/test-history.ts';
import { type DispatchOptions, dispatch, type Submission, submissionFor } from './dispatch.ts';
import { type OutsideEffect, perform } from './perform.ts';
import { ServedTime } from './served-time.ts';
import { Slots } from './slots.ts';
import { Timers } from './timers.ts';
import { workContext } from './work-context.ts';

export interface EngineOptions {
  readonly store: Store;
  readonly adapters: Adapters;
  readonly clock: Clock;
  readonly hash: Hash;
  /** Default: only the providers' own slots. */
  readonly limits?: SlotLimits;
  readonly bounds: EngineBounds;
  /** Set by tests: an event that no state handles is an error instead of a row. */
  readonly strict: boolean;
  /** Called when writing to the store begins to fail, with the reason, and with null when it works again. */
  readonly onStoreFailure: (failure: StoreUnavailable | null) => void;
  /** Called after each durable batch, before its effects are performed. */
  readonly onAppended: (batch: readonly LogEntry[]) => void;
  /** A broken invariant or an adapter's own bug: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

interface Waiting {
  readonly submissions: readonly Submission[];
  readonly noted: readonly IntakeUpdate[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The fields of the requesting row that performing an effect needs. */
type RequestingRow = Pick<LogEntry['row'], 'history' | 'at'>;

export class Engine {
  readonly timers: Timers;
  readonly served: ServedTime;
  readonly slots: Slots;
  private readonly options: EngineOptions;
  private readonly dispatchOptions: DispatchOptions;
  private readonly open = new Map<string, HistorySnapshot>();
  private readonly inbox: Waiting[] = [];
  private readonly stopping = new AbortController();
  /** Restored reviews that an earlier daemon tried to post. */
  private readonly possiblyPosted = new Set<string>();
  /** One controller each, because a signal with many listeners, or one made by AbortSignal.any, is slow. */
  private readonly performing = new Map<OutsideEffect, AbortController>();
  /** Running adapter work, including abandoned work that has not ended yet. */
  private readonly working = new Set<Promise<unknown>>();
  private draining: Promise<void> | null = null;
  private halted = false;

  constructor(options: EngineOptions) {
    this.options = options;
    this.dispatchOptions = {
      hash: options.hash,
      now: () => options.clock.now(),
      stored: (history) => this.open.get(history) ?? options.store.stored(history),
      wasRequested: (history, key) => options.store.wasRequested(history, key),
      strict: options.strict,
    };
    this.served = new ServedTime(options.store, options.clock);
    this.timers = new Timers(
      options.clock,
      (at) => this.served.since(at),
      (history, key) => {
        this.settle(history, key, { type: 'timer.fired', timer: key });
      },
    );
    this.slots = new Slots({
      limits: options.limits ?? slotsOnly(options.adapters),
      now: () => options.clock.now(),
      grant: ({ history, key, isJanitor }) =>
        this.settle(history, key, { type: isJanitor ? 'backends.granted' : 'slot.granted' }),
    });
  }

  /** Histories that have not ended. */
  get histories(): ReadonlyMap<string, HistorySnapshot> {
    return this.open;
  }

  /** Restores a history from the store; `recover` calls this first. */
  restore(stored: HistorySnapshot): void {
    this.open.set(stored.history, stored);
    const version = versionOf(stored);
    this.slots.sync(stored.history, version.heldSlot(stored));
    if (version.mayHavePosted(stored)) this.possiblyPosted.add(stored.history);
  }

  /**
   * Appends all of `submissions` and `noted` in one transaction; resolves when they are durable. Rejects when the first
   * event of a new history throws inside its machine: then nothing is appended.
   */
  submit(submissions: readonly Submission[], noted: readonly IntakeUpdate[] = []): Promise<void> {
    if (this.stopping.signal.aborted) return Promise.reject(new Error('the engine stops'));
    return new Promise((resolve, reject) => {
      this.inbox.push({ submissions, noted, resolve, reject });
      // The loop serves all histories: its failures must not be attributed to the submission that woke it.
      this.draining ??= workContext.exit(() => this.drain());
    });
  }

  /** Sends an event to an existing history. An unknown history is a programmer's error. */
  send(history: string, event: AnyEvent): Promise<void> {
    return this.submit([submissionFor(history, event)]);
  }

  /** Performs an effect that a durable row requested. @param recovered true after a restart */
  performEffect(row: RequestingRow, effect: LogEntry['row']['effects'][number], recovered: boolean): void {
    const { history } = row;
    switch (effect.type) {
      case 'sendEvent':
        return;
      case 'cancelEffect':
        this.timers.disarm(history, effect.key);
        this.slots.withdraw(history, effect.key);
        return;
      case 'setTimer':
        this.timers.arm(history, effect, recovered);
        return;
      case 'acquireSlot':
        this.slots.request({ ...effect, history, requestedAt: row.at });
        return;
      case 'acquireBackends':
        this.slots.request({ ...asJanitor(effect), key: effect.key, history, requestedAt: row.at });
        return;
      default:
        this.performOutside(history, effect, recovered);
    }
  }

  /** Resolves when no submission waits to be written. Effects in progress continue. */
  async idle(): Promise<void> {
    while (this.draining !== null) await this.draining;
  }

  /** Number of outside effects in progress. */
  get inFlight(): number {
    return this.performing.size;
  }

  /** True: the engine accepts nothing more, and rejections from now on are expected. */
  get ending(): boolean {
    return this.stopping.signal.aborted;
  }

  /**
   * Accepts nothing more, lets runs continue, leaves unsettled effects pending, and waits until all performed work has
   * ended. Idempotent.
   */
  async stop(): Promise<void> {
    this.timers.stop();
    this.slots.stop();
    this.abort();
    await this.idle();
    while (this.working.size > 0) await Promise.allSettled(this.working);
  }

  private readonly track = (work: Promise<unknown>): void => {
    this.working.add(work);
    const ended = () => this.working.delete(work);
    work.then(ended, ended);
  };

  /**
   * For a crashing daemon: waiting submissions are not written either, so `recordCrash` appends to the log as it is.
   */
  halt(): void {
    this.halted = true;
    this.timers.stop();
    this.slots.stop();
    this.abort();
  }

  private abort(): void {
    this.stopping.abort(new Error('the daemon stops'));
    for (const one of this.performing.values()) one.abort(this.stopping.signal.reason);
  }

  /** Fires a timer, due or not, if its history still waits for it. */
  async fireTimer(history: string, key: string): Promise<void> {
    if (this.open.get(history)?.pending[key] === undefined) return;
    const event = { type: 'timer.fired', timer: key } as const;
    await this.submit([submissionFor(history, event, key)]);
  }

  private settle(history: string, key: string, event: AnyEvent): void {
    if (this.stopping.signal.aborted) return;
    this.submit([submissionFor(history, event, key)]).catch(this.fatal);
  }

  /** While stopping, a failed effect stays pending and is performed after the next start. */
  private readonly fatal = (error: unknown): void => {
    if (this.stopping.signal.aborted) return;
    // Reports one cause once: later failures are consequences of it.
    this.halt();
    this.options.onFatal(error);
  };

  private performOutside(history: string, effect: OutsideEffect, recovered: boolean): void {
    const { adapters, clock, bounds } = this.options;
    const stopping = this.stopping.signal;
    // An interrupted post of an earlier daemon may still arrive, also when this is the next attempt.
    const mayHavePosted = effect.type === 'postReview' && this.possiblyPosted.delete(history);
    const stored = this.open.get(history);
    const ended = recovered && stored === undefined;
    const serverUnneeded = recovered && (stored === undefined || versionOf(stored).isPastServer(stored));
    const emit = (event: AnyEvent) => {
      if (!stopping.aborted) this.send(history, event).catch(this.fatal);
    };
    workContext.run({ history, during: effect.key }, () => {
      const abort = new AbortController();
      this.performing.set(effect, abort);
      if (stopping.aborted) abort.abort(stopping.reason);
      const context = {
        abort,
        recovered: recovered || mayHavePosted,
        serverUnneeded,
        ended,
        recordTests: (read: TestsRead) => this.options.store.recordTests(history, read, clock.now()),
        emit,
        track: this.track,
      };
      const performed = perform(effect, { adapters, clock, bounds, stopping, ...context });
      this.track(performed);
      performed
        .finally(() => this.performing.delete(effect))
        .then((event) => this.settle(history, effect.key, event), this.fatal);
    });
  }

  private async drain(): Promise<void> {
    try {
      // Everything else that arrives in this tick shares the transaction.
      await nextTick();
      while (this.inbox.length > 0 && !this.halted) {
        await this.drainOnce(this.inbox.splice(0, this.options.bounds.maxTransactionEvents));
        if (this.inbox.length > 0) await nextTick();
      }
    } finally {
      this.draining = null;
      if (this.halted) for (const { reject } of this.inbox.splice(0)) reject(new Error('the engine halted'));
    }
  }

  private async drainOnce(batched: readonly Waiting[]): Promise<void> {
    const batch: LogEntry[] = [];
    const accepted = batched.filter((waiting) => this.stepAll(waiting, batch));
    const noted = accepted.flatMap((waiting) => waiting.noted);
    try {
      if (batch.length + noted.length > 0) await this.write(batch, noted);
    } catch (thrown) {
      for (const { reject } of accepted) reject(thrown);
      return;
    }
    for (const append of batch) this.commit(append);
    this.options.onAppended(batch);
    for (const { resolve } of accepted) resolve();
    if (this.stopping.signal.aborted) return;
    for (const { row } of batch) {
      for (const effect of row.effects) this.performEffect(row, effect, false);
    }
  }

  /** Steps all events of one submission onto the batch, or none of them. */
  private stepAll({ submissions, reject }: Waiting, batch: LogEntry[]): boolean {
    const before = batch.length;
    try {
      for (const submission of submissions) dispatch(batch, submission, this.dispatchOptions);
      return true;
    } catch (thrown) {
      batch.length = before;
      reject(thrown);
      return false;
    }
  }

  private commit({ stored }: LogEntry): void {
    if (stored.ended) {
      this.open.delete(stored.history);
      this.possiblyPosted.delete(stored.history);
    } else this.open.set(stored.history, stored);
    const holder = versionOf(stored).heldSlot(stored);
    this.slots.sync(stored.history, holder, (key) => stored.pending[key] !== undefined);
  }

  /**
   * Retries until the batch is written. Waits out a full disk or a locked database; the daemon accepts nothing new
   * meanwhile.
   */
  private async write(batch: readonly LogEntry[], noted: readonly IntakeUpdate[]): Promise<void> {
    let failing = false;
    for (;;) {
      try {
        await this.options.store.append(batch, noted);
        if (failing) this.options.onStoreFailure(null);
        return;
      } catch (thrown) {
        if (!(thrown instanceof StoreUnavailable)) this.fatal(thrown);
        if (!(thrown instanceof StoreUnavailable) || this.stopping.signal.aborted) throw thrown;
        if (!failing) this.options.onStoreFailure(thrown);
        failing = true;
        await sleep(this.options.bounds.storeRetryMs, this.stopping.signal, this.options.clock);
      }
    }
  }
}

function slotsOnly({ providers }: Adapters): SlotLimits {
  const slots = Object.fromEntries(
    [...providers.values()].map((provider) => [provider.name, provider.slots]),
  );
  return { slots, jobs: {}, projects: {}, backends: {}, starvationTimeoutMs: 0 };
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
