/**
 * The loop: take what waits, step, append, perform. Everything that one tick brings goes into one transaction; effects
 * are performed only after it is durable. One event at a time for each history, by construction: there is one loop.
 */
import { setMaxListeners } from 'node:events';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { Hash, HistorySnapshot } from '../../machines/protocol/row.ts';
import type { SlotLimits } from '../../machines/slot-queue.ts';
import { versionOf } from '../../machines/versions.ts';
import { sleep } from '../../timer.ts';
import type { Adapters, Clock } from '../ports/adapters.ts';
import type { EngineBounds } from '../ports/bounds.ts';
import { type IntakeUpdate, type LogEntry, type Store, StoreUnavailable } from '../ports/store.ts';
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
  /** Default: the providers' own slots, and nothing else. */
  readonly limits?: SlotLimits;
  readonly bounds: EngineBounds;
  /** Tests set it: an event that no state handles is an error, not a row. */
  readonly strict: boolean;
  /** Called once for each change: null when writing works, else why it does not. */
  readonly onTrouble: (trouble: StoreUnavailable | null) => void;
  /** After each durable batch, before its effects are performed. */
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

/** What is needed of the row that asked for an effect. */
type AskingRow = Pick<LogEntry['row'], 'history' | 'at'>;

export class Engine {
  readonly timers: Timers;
  readonly served: ServedTime;
  readonly slots: Slots;
  private readonly options: EngineOptions;
  private readonly cascading: DispatchOptions;
  private readonly open = new Map<string, HistorySnapshot>();
  private readonly inbox: Waiting[] = [];
  private readonly stopping = new AbortController();
  /** Restored reviews that an earlier daemon had tried to post. */
  private readonly inherited = new Set<string>();
  private readonly performing = new Set<OutsideEffect>();
  /** What adapters are at, also what was given up and has not ended yet. */
  private readonly working = new Set<Promise<unknown>>();
  private draining: Promise<void> | null = null;
  private halted = false;

  constructor(options: EngineOptions) {
    this.options = options;
    // Everything that is performed listens, and as much is performed at a time as there are slots.
    setMaxListeners(0, this.stopping.signal);
    this.cascading = {
      hash: options.hash,
      now: () => options.clock.now(),
      stored: (history) => this.open.get(history) ?? options.store.stored(history),
      asked: (history, key) => options.store.asked(history, key),
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
      grant: (history, key) => this.settle(history, key, { type: 'slot.granted' }),
    });
  }

  /** Histories that have not ended. */
  get histories(): ReadonlyMap<string, HistorySnapshot> {
    return this.open;
  }

  /** Puts a history back as the store has it; `recover` does this before anything else. */
  restore(stored: HistorySnapshot): void {
    this.open.set(stored.history, stored);
    const version = versionOf(stored);
    this.slots.sync(stored.history, version.heldSlot(stored));
    if (version.mayHavePosted(stored)) this.inherited.add(stored.history);
  }

  /**
   * Appends all of `submissions` in one transaction, with what is noted beside them; resolves when they are durable. Rejects when a new history's first
   * event throws inside its machine: then none of them happened.
   */
  submit(submissions: readonly Submission[], noted: readonly IntakeUpdate[] = []): Promise<void> {
    if (this.stopping.signal.aborted) return Promise.reject(new Error('the engine stops'));
    return new Promise((resolve, reject) => {
      this.inbox.push({ submissions, noted, resolve, reject });
      // The loop works for all histories: what breaks in it must not be laid at the door of the one that woke it.
      this.draining ??= workContext.exit(() => this.drain());
    });
  }

  /** Tells an existing history. One that was never heard of is a programmer's error. */
  tell(history: string, event: AnyEvent): Promise<void> {
    return this.submit([submissionFor(history, event)]);
  }

  /** Performs what a durable row asked for. @param recovered true after a restart */
  performEffect(row: AskingRow, effect: LogEntry['row']['effects'][number], recovered: boolean): void {
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
      default:
        this.performOutside(history, effect, recovered);
    }
  }

  /** Resolves when nothing waits to be written. Effects that are being performed go on. */
  async idle(): Promise<void> {
    while (this.draining !== null) await this.draining;
  }

  /** Number of effects that are being performed outside. */
  get inFlight(): number {
    return this.performing.size;
  }

  /** It takes nothing more: what is rejected now is nobody's fault. */
  get ending(): boolean {
    return this.stopping.signal.aborted;
  }

  /** Takes nothing more, lets runs run, leaves what is unanswered owed, and waits until all that is being performed has ended. Idempotent. */
  async stop(): Promise<void> {
    this.timers.stop();
    this.slots.stop();
    this.stopping.abort();
    await this.idle();
    while (this.working.size > 0) await Promise.allSettled(this.working);
  }

  private readonly track = (work: Promise<unknown>): void => {
    this.working.add(work);
    const ended = () => this.working.delete(work);
    work.then(ended, ended);
  };

  /** For a daemon that goes down: not even what waits is written any more, so its last word finds the log as it is. */
  halt(): void {
    this.halted = true;
    this.timers.stop();
    this.slots.stop();
    this.stopping.abort();
  }

  /** Tells a history that a timer of its came due, if it still waits for it. */
  async fireTimer(history: string, key: string): Promise<void> {
    if (this.open.get(history)?.pending[key] === undefined) return;
    const event = { type: 'timer.fired', timer: key } as const;
    await this.submit([submissionFor(history, event, key)]);
  }

  private settle(history: string, key: string, event: AnyEvent): void {
    if (this.stopping.signal.aborted) return;
    this.submit([submissionFor(history, event, key)]).catch(this.fatal);
  }

  /** While stopping, whatever does not work stays owed and is taken up after the next start. */
  private readonly fatal = (error: unknown): void => {
    if (this.stopping.signal.aborted) return;
    // One cause, told once: what fails in its wake is nobody else's fault.
    this.halt();
    this.options.onFatal(error);
  };

  private performOutside(history: string, effect: OutsideEffect, recovered: boolean): void {
    const { adapters, clock, bounds } = this.options;
    const stopping = this.stopping.signal;
    // A post of an earlier daemon that was cut off may still arrive, also when this is the next attempt.
    const tried = effect.type === 'postReview' && this.inherited.delete(history);
    const stored = this.open.get(history);
    const ended = recovered && stored === undefined;
    const serverUnneeded = recovered && (stored === undefined || versionOf(stored).isPastServer(stored));
    const emit = (event: AnyEvent) => {
      if (!stopping.aborted) this.tell(history, event).catch(this.fatal);
    };
    workContext.run({ history, during: effect.key }, () => {
      this.performing.add(effect);
      const circumstances = { recovered: recovered || tried, serverUnneeded, ended, emit, track: this.track };
      const performed = perform(effect, { adapters, clock, bounds, stopping, ...circumstances });
      this.track(performed);
      performed
        .finally(() => this.performing.delete(effect))
        .then((event) => this.settle(history, effect.key, event), this.fatal);
    });
  }

  private async drain(): Promise<void> {
    try {
      // Whatever else this tick brings shares the transaction.
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

  private async drainOnce(taken: readonly Waiting[]): Promise<void> {
    const batch: LogEntry[] = [];
    const accepted = taken.filter((waiting) => this.stepAll(waiting, batch));
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

  /** Steps one submission's happenings onto the batch, whole or not at all. */
  private stepAll({ submissions, reject }: Waiting, batch: LogEntry[]): boolean {
    const before = batch.length;
    try {
      for (const submission of submissions) dispatch(batch, submission, this.cascading);
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
      this.inherited.delete(stored.history);
    } else this.open.set(stored.history, stored);
    const holder = versionOf(stored).heldSlot(stored);
    this.slots.sync(stored.history, holder, (key) => stored.pending[key] !== undefined);
  }

  /** Writes until it is written. No room or a locked database is waited for; the daemon takes nothing new meanwhile. */
  private async write(batch: readonly LogEntry[], noted: readonly IntakeUpdate[]): Promise<void> {
    let troubled = false;
    for (;;) {
      try {
        await this.options.store.append(batch, noted);
        if (troubled) this.options.onTrouble(null);
        return;
      } catch (thrown) {
        if (!(thrown instanceof StoreUnavailable)) this.fatal(thrown);
        if (!(thrown instanceof StoreUnavailable) || this.stopping.signal.aborted) throw thrown;
        if (!troubled) this.options.onTrouble(thrown);
        troubled = true;
        await sleep(this.options.bounds.storeRetryMs, this.stopping.signal, this.options.clock);
      }
    }
  }
}

function slotsOnly({ providers }: Adapters): SlotLimits {
  const slots = Object.fromEntries(
    [...providers.values()].map((provider) => [provider.name, provider.slots]),
  );
  return { slots, jobs: {}, projects: {}, patienceMs: 0 };
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
