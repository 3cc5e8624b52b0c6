/**
 * Deduplicates Gerrit events from the live stream and from catch-up queries, even across restarts, so the trigger sees
 * each event exactly once. Decisions are stored in the same transaction as the work that they start. A streamed event
 * that may repeat one from a catch-up query is not decided directly: the change is queried again, and the number of its
 * events decides.
 */
import { OperationError } from '../../errors.ts';
import { assertNever } from '../../machines/model/domain.ts';
import { changeOf, type GerritEvent } from '../../machines/model/gerrit-event.ts';
import type { Hash } from '../../machines/protocol/row.ts';
import {
  type EventFingerprint,
  eventFingerprint,
  type IdAssignment,
  type SeenEvent,
} from '../../machines/trigger/deduplication.ts';
import { noveltyOf } from '../../machines/trigger/novelty.ts';
import { matchesAny } from '../../machines/trigger/rules/glob.ts';
import { sleep } from '../../timer.ts';
import type { Engine } from '../loop/engine.ts';
import type { CatchUp, CaughtUp, Clock, EffectOf } from '../ports/adapters.ts';
import type { ChangeHistory, ChangeHistoryReader, HistoryRequest } from '../ports/event-source.ts';
import type { IntakeUpdate, Store } from '../ports/store.ts';
import type { Admission, DecidedEvent } from './admission.ts';
import { Checkpoint, type IntakeLimits } from './checkpoint.ts';
import { GapTracker } from './gap-tracker.ts';
import { BETWEEN_CHECKS_MS, HiddenComments } from './hidden-comments.ts';
import {
  type CatchUpDiff,
  type CatchUpQuery,
  comparedSince,
  findMissedEvents,
  type MissedEvent,
} from './missed-events.ts';
import { NO_UPDATE, SeenCache } from './seen-cache.ts';
import { awaitsReady } from './trigger-facts.ts';

export interface EventIntakeOptions {
  readonly store: Store;
  readonly engine: Pick<Engine, 'submit'>;
  readonly admission: Pick<Admission, 'decide' | 'hasWork' | 'runExclusive' | 'projects' | 'reportsOfOthers'>;
  readonly clock: Clock;
  readonly hash: Hash;
  readonly limits: IntakeLimits;
  /** Called when events may have been missed; `changes` null: on any change. */
  readonly onGap: (why: string, changes: readonly number[] | null) => void;
}

/** Gerrit sends the event within milliseconds of the update of the notes. */
const EXPLAINED_WITHIN_MS = 5_000;
/**
 * Limit on changes that wait for their event. A stream that sends no event for so many is broken; a catch-up follows.
 */
const MAX_UNEXPLAINED = 1_000;

const NOTHING: DecidedEvent = { durable: Promise.resolve() };

export class EventIntake implements CatchUp {
  readonly #options: EventIntakeOptions;
  readonly #seenCache: SeenCache;
  readonly #gaps = new GapTracker();
  /** Changes whose notes Gerrit updated without an event so far; each with the function that ends the wait. */
  readonly #unexplained = new Map<number, () => void>();
  readonly #hiddenComments: HiddenComments;
  #history: ChangeHistoryReader | null = null;
  readonly #checkpoint: Checkpoint;

  constructor(options: EventIntakeOptions) {
    this.#options = options;
    this.#seenCache = new SeenCache(options.store);
    this.#hiddenComments = new HiddenComments(options.limits.clockToleranceMs);
    this.#checkpoint = new Checkpoint(options.store, options.clock, options.limits);
  }

  /** Sets the origin: now when there is no stored position, or earlier with `since`. Resolves when it is durable. */
  async begin(since: number | null): Promise<void> {
    const intake = this.#checkpoint.begin(since);
    if (intake !== null) await this.#note({ intake }).durable;
  }

  /** Called when the stream is connected: the history of changes can be queried. */
  attachHistory(history: ChangeHistoryReader): void {
    this.#history = history;
  }

  /** Events may have been missed: the position stays until a catch-up has run. */
  markGap(changes: readonly number[] | null): void {
    this.#gaps.open(changes);
  }

  /**
   * Gerrit updated the change's notes. An event that explains it follows at once, except for a move to another branch;
   * so one of our changes is queried when no event follows.
   */
  touched(change: number): void {
    if (this.#unexplained.has(change)) {
      this.#checkUnexplained(change);
      return;
    }
    if (this.#unexplained.size >= MAX_UNEXPLAINED || this.#seenCache.forChange(change).length === 0) return;
    const cancel = this.#options.clock.after(EXPLAINED_WITHIN_MS, () => this.#checkUnexplained(change));
    this.#unexplained.set(change, cancel);
  }

  /** The waiting list has free entries again: queries Gerrit for the starts that did not fit. */
  findAgain(): void {
    this.#gap('too many starts are waiting', null);
  }

  /** Number of other CIs' reports since the start, on changes that our jobs cover. */
  get reportsOfOthers(): number {
    return this.#options.admission.reportsOfOthers;
  }

  /** Resolves when the event's results are durable. */
  async handle(event: GerritEvent): Promise<void> {
    const change = changeOf(event);
    if (change !== null) this.#clearUnexplained(change.change);
    const { durable } = await this.#options.admission.runExclusive(() => this.#handleOne(event));
    await durable;
    if (!('at' in event)) return;
    const intake = this.#checkpoint.lowerOrigin(event.at);
    if (intake !== null) await this.#note({ intake }).durable;
    this.#advance(event.at);
  }

  async run({ changes }: EffectOf<'catchUp'>, signal: AbortSignal): Promise<CaughtUp> {
    const endCatchUp = this.#gaps.begin(changes);
    let succeeded = false;
    try {
      const report = await this.#catchUp(changes, signal);
      this.#gaps.open(report.ambiguous);
      succeeded = true;
      return report;
    } finally {
      endCatchUp(succeeded);
      if (succeeded) this.#advance(0);
    }
  }

  /** True when a query finds an event that the stream should have sent and did not. Decides nothing. */
  async hasMissed(signal: AbortSignal): Promise<boolean> {
    const since = this.#checkpoint.from;
    const query = this.#query(since);
    const commentsSince = comparedSince(since);
    const { changes } = await this.#read({ since, changes: [], commentsSince }, signal);
    return changes.some((past) => {
      // A rejected patchset that no job tests when it is ready stays rejected, although its event was received.
      const { missed, ambiguous } = this.#missedOf(past, this.#seenCache.forChange(past.change), query);
      return !ambiguous && missed.some(({ event }) => event !== null);
    });
  }

  /** Those that are merged, abandoned, or deleted: Gerrit does not show a deleted one. @throws OperationError */
  async closedAmong(changes: readonly number[], signal: AbortSignal): Promise<readonly number[]> {
    const past = await this.#read({ since: null, changes, commentsSince: Number.POSITIVE_INFINITY }, signal);
    const found = new Map(past.changes.map(({ change, closed }) => [change, closed !== null] as const));
    // A change that cannot be parsed is not deleted.
    const isDeleted = past.unparsed === 0;
    return changes.filter((change) => found.get(change) ?? isDeleted);
  }

  async #catchUp(changes: readonly number[] | null, signal: AbortSignal): Promise<CaughtUp> {
    const since = this.#checkpoint.from;
    const query = this.#query(since);
    const endCheck = this.#hiddenComments.begin();
    const request =
      changes === null ? { since, changes: this.#changesWithOpenWork() } : { since: null, changes };
    const past = await this.#read({ ...request, commentsSince: comparedSince(since) }, signal);
    const shown = endCheck(past.changes, (change) => changes?.includes(change) ?? true);
    const ambiguous: number[] = [...shown.missing];
    const waiting: Promise<void>[] = [];
    const found = await this.#options.admission.runExclusive(async () => {
      const missed: MissedEvent[] = [];
      const closings: GerritEvent[] = [];
      for (const change of past.changes) {
        const diff = this.#missedOf(change, this.#seen(change), query);
        if (diff.named.length > 0) waiting.push(this.#assignIds(change.change, diff.named).durable);
        const closing = this.#closingOf(change);
        const isOutdated = closing !== null && this.#hasEventsSince(query, change);
        if (diff.ambiguous || isOutdated) ambiguous.push(change.change);
        if (closing !== null && !isOutdated) closings.push(closing);
        missed.push(...diff.missed);
      }
      for (const one of missed.sort(oldestFirst)) {
        signal.throwIfAborted();
        waiting.push((await this.#handleMissed(one, shown.includes(one.fingerprint))).durable);
      }
      for (const closing of closings) waiting.push((await this.#handleClosing(closing)).durable);
      return missed.filter(({ fingerprint, event }) => event !== null && !shown.includes(fingerprint)).length;
    });
    await Promise.all(waiting);
    if (shown.missing.length > 0) await sleep(BETWEEN_CHECKS_MS, signal, this.#options.clock);
    if (changes === null) this.#checkpoint.observe(newestOf(past.changes));
    this.#checkpoint.prune();
    return { since, changes: past.changes.length, found, ambiguous, unparsed: past.unparsed };
  }

  #handleOne(event: GerritEvent): Promise<DecidedEvent> {
    if (event.type === 'dropped-output') this.#gap('Gerrit dropped events for us', null);
    if (event.type === 'change-incomplete' && this.#concerns(event.project))
      this.#gap(`${event.name} came without its patchset`, [event.change]);
    const fingerprint = this.#isOurs(event) ? eventFingerprint(event, this.#options.hash) : null;
    return this.#decide(event, fingerprint, true);
  }

  /** @param streamed true: the stream reported the event without its text */
  async #handleMissed({ fingerprint, event }: MissedEvent, streamed: boolean): Promise<DecidedEvent> {
    if (event === null) {
      const seen = { ...fingerprint, number: this.#seenCache.nextNumber(), streamed: false, hidden: false };
      return this.#note({ seen: [seen] });
    }
    if (!streamed) this.#options.store.count(`missed:${event.type}`, 1);
    return this.#decide(event, fingerprint, false);
  }

  /** Null if there is nothing to end: closing events are not remembered, so a query returns them repeatedly. */
  #closingOf({ project, change, closed }: ChangeHistory): GerritEvent | null {
    return closed !== null && this.#options.admission.hasWork({ project, change }) ? closed : null;
  }

  /** True when the stream has sent events since the query began: a change that it calls closed may be restored. */
  #hasEventsSince({ lastSeen }: CatchUpQuery, { change }: ChangeHistory): boolean {
    return this.#seenCache.forChange(change).some(({ number }) => number > lastSeen);
  }

  #handleClosing(closing: GerritEvent): Promise<DecidedEvent> {
    const { admission, store } = this.#options;
    store.count(`missed:${closing.type}`, 1);
    return admission.decide(closing);
  }

  /** Lets the trigger decide, and stores the event's fingerprint in the same transaction. */
  async #decide(
    event: GerritEvent,
    fingerprint: EventFingerprint | null,
    streamed: boolean,
  ): Promise<DecidedEvent> {
    const { admission } = this.#options;
    const seen = fingerprint === null ? [] : this.#seenCache.forChange(fingerprint.change);
    const novelty = noveltyOf(event, fingerprint, seen, streamed);
    if (fingerprint === null) return admission.decide(event, [], null, novelty);
    switch (novelty.is) {
      case 'new': {
        const number = this.#seenCache.nextNumber();
        const noted = {
          ...NO_UPDATE,
          seen: [{ ...fingerprint, number, streamed, hidden: novelty.hidden }],
        };
        return this.#remember(noted, [], await admission.decide(event, [noted], number, novelty));
      }
      case 'shown': {
        const noted = { ...NO_UPDATE, shown: [novelty.seen.number] };
        return this.#remember(noted, [novelty.seen], await admission.decide(event, [noted], null, novelty));
      }
      case 'echo': {
        const noted = { ...NO_UPDATE, streamed: [novelty.seen.number] };
        const decided = await admission.decide(event, [noted], null, novelty);
        this.#gap('the stream may have repeated an event that a query found before', [fingerprint.change]);
        return this.#remember(noted, [novelty.seen], decided);
      }
      case 'without-text':
        // The event is counted and decided when its text is known.
        this.#hiddenComments.add(fingerprint);
        this.#gap('a comment came without its text', [fingerprint.change]);
        return NOTHING;
      case 'untracked':
      case 'known':
        return admission.decide(event, [], null, novelty);
      default:
        return assertNever(novelty);
    }
  }

  #note(noted: Partial<IntakeUpdate>, changed: readonly SeenEvent[] = []): DecidedEvent {
    const update = { ...NO_UPDATE, ...noted };
    return this.#remember(update, changed, { durable: this.#options.engine.submit([], [update]) });
  }

  /** Stores ids that became known for events first seen without one. */
  #assignIds(change: number, named: readonly IdAssignment[]): DecidedEvent {
    const numbers = new Set(named.map(({ number }) => number));
    return this.#note(
      { named },
      this.#seenCache.forChange(change).filter(({ number }) => numbers.has(number)),
    );
  }

  #remember(noted: IntakeUpdate, changed: readonly SeenEvent[], decided: DecidedEvent): DecidedEvent {
    if (decided.findAgain === true) {
      this.#gaps.open(null);
      return decided;
    }
    this.#seenCache.add(noted, changed, decided.durable);
    return decided;
  }

  #clearUnexplained(change: number): void {
    this.#unexplained.get(change)?.();
    this.#unexplained.delete(change);
  }

  #checkUnexplained(change: number): void {
    this.#clearUnexplained(change);
    this.#gap('Gerrit updated a change and no event explains it', [change]);
  }

  #gap(why: string, changes: readonly number[] | null): void {
    this.#gaps.open(changes);
    this.#options.onGap(why, changes);
  }

  #advance(at: number): void {
    this.#checkpoint.observe(at);
    if (this.#gaps.none) this.#checkpoint.advance();
  }

  #query(since: number): CatchUpQuery {
    const { hash, limits } = this.#options;
    return { since, lastSeen: this.#seenCache.last, toleranceMs: limits.clockToleranceMs, hash };
  }

  #read(request: Omit<HistoryRequest, 'projects'>, signal: AbortSignal) {
    if (this.#history === null) throw notConnected();
    return this.#history.read({ ...request, projects: this.#options.admission.projects }, signal);
  }

  #changesWithOpenWork(): readonly number[] {
    const { store, limits } = this.#options;
    const open = { open: true, limit: limits.maxOpenReviews };
    return [...new Set([...store.reviews(open), ...store.jobs(open)].map(({ change }) => change))];
  }

  /** Ignores new events of projects that no job covers; open reviews there can only end. */
  #missedOf(past: ChangeHistory, seen: readonly SeenEvent[], query: CatchUpQuery): CatchUpDiff {
    return this.#concerns(past.project)
      ? findMissedEvents(past, seen, query)
      : { missed: [], ambiguous: false, named: [] };
  }

  /** A patchset that was rejected as hidden counts as hidden, regardless of its event. */
  #seen({ change, patchset }: ChangeHistory): readonly SeenEvent[] {
    const seen = this.#seenCache.forChange(change);
    if (patchset === null || !awaitsReady(this.#options.store, patchset.event.patchset)) return seen;
    const number = patchset.event.patchset.patchset;
    return seen.map((one) =>
      one.kind === 'patchset' && one.patchset === number ? { ...one, hidden: true } : one,
    );
  }

  #isOurs(event: GerritEvent): boolean {
    return 'patchset' in event && this.#concerns(event.patchset.project);
  }

  #concerns(project: string): boolean {
    return matchesAny(this.#options.admission.projects, project);
  }
}

/** Gerrit's times are whole seconds; within a second, the change with the lower number was created first. */
function oldestFirst({ fingerprint: one }: MissedEvent, { fingerprint: other }: MissedEvent): number {
  return one.at - other.at || one.change - other.change;
}

function newestOf(changes: readonly ChangeHistory[]): number {
  return changes.reduce((newest, { updatedAt }) => Math.max(newest, updatedAt), 0);
}

function notConnected(): OperationError {
  return new OperationError({
    operation: 'query changes',
    target: 'gerrit',
    message: 'there is no connection for the query',
    retryable: true,
    hint: 'the query runs as soon as Gerrit is connected',
  });
}
