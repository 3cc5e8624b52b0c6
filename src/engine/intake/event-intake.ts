/**
 * Between Gerrit and the trigger: each thing that happened is decided once, whether the stream told it, a look at
 * Gerrit's own account, or both, before or after a restart. What was decided is noted in the transaction of what it
 * started. What the stream tells of, and what may be only the echo of what a look had brought, is not decided: the
 * change is looked at again, and the count decides.
 */
import { OperationError } from '../../errors.ts';
import { assertNever } from '../../machines/model/domain.ts';
import { changeOf, type GerritEvent } from '../../machines/model/gerrit-event.ts';
import type { Hash } from '../../machines/protocol/row.ts';
import {
  type EventFingerprint,
  fingerprint,
  type IdAssignment,
  type SeenEvent,
} from '../../machines/trigger/deduplication.ts';
import { noveltyOf } from '../../machines/trigger/novelty.ts';
import { matchesAny } from '../../machines/trigger/rules/glob.ts';
import { sleep } from '../../timer.ts';
import type { Engine } from '../loop/engine.ts';
import type { CatchUp, CaughtUp, Clock, EffectOf } from '../ports/adapters.ts';
import type { ChangeHistory, ChangeHistoryReader } from '../ports/event-source.ts';
import type { IntakeUpdate, Store } from '../ports/store.ts';
import type { Admission, Decided } from './admission.ts';
import { Checkpoint, type IntakeLimits } from './checkpoint.ts';
import { GapTracker } from './gap-tracker.ts';
import { BETWEEN_LOOKS_MS, HiddenComments } from './hidden-comments.ts';
import { type CatchUpDiff, type CatchUpQuery, findMissedEvents, type MissedEvent } from './missed-events.ts';
import { NO_UPDATE, SeenCache } from './seen-cache.ts';
import { awaitsReady } from './trigger-facts.ts';

export interface EventIntakeOptions {
  readonly store: Store;
  readonly engine: Pick<Engine, 'submit'>;
  readonly admission: Pick<Admission, 'decide' | 'runExclusive' | 'projects' | 'reportsOfOthers'>;
  readonly clock: Clock;
  readonly hash: Hash;
  readonly limits: IntakeLimits;
  /** Something may have been missed; null: on any change. */
  readonly onGap: (why: string, changes: readonly number[] | null) => void;
}

/** Gerrit sends the event within milliseconds of the update of the notes. */
const EXPLAINED_WITHIN_MS = 5_000;
/** Changes that wait for their event at the same time. A stream that sends none for so many is broken, and a catch-up follows. */
const MAX_UNEXPLAINED = 1_000;

const NOTHING: Decided = { durable: Promise.resolve() };

export class EventIntake implements CatchUp {
  readonly #options: EventIntakeOptions;
  readonly #seenCache: SeenCache;
  readonly #gaps = new GapTracker();
  /** Changes that Gerrit wrote to, and no event has said why yet; each with what ends the wait. */
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

  /** From where we are responsible. Without a position that is now; `since` opts in to more. Resolves when it is durable. */
  async begin(since: number | null): Promise<void> {
    const intake = this.#checkpoint.begin(since);
    if (intake !== null) await this.#note({ intake }).durable;
  }

  /** A connection stands: Gerrit's own account can be asked for. */
  attachHistory(history: ChangeHistoryReader): void {
    this.#history = history;
  }

  /** Something may have been missed: the position stands still until it was looked for. */
  markGap(changes: readonly number[] | null): void {
    this.#gaps.open(changes);
  }

  /**
   * Gerrit wrote to the change's notes. The event that says why follows at once. A move to another branch has none, so a change of
   * ours is looked up when no event follows.
   */
  touched(change: number): void {
    if (this.#unexplained.has(change)) {
      this.#lookUnexplained(change);
      return;
    }
    if (this.#unexplained.size >= MAX_UNEXPLAINED || this.#seenCache.forChange(change).length === 0) return;
    const cancel = this.#options.clock.after(EXPLAINED_WITHIN_MS, () => this.#lookUnexplained(change));
    this.#unexplained.set(change, cancel);
  }

  /** Starts found no place to wait, and there is one again: Gerrit is asked for them. */
  findAgain(): void {
    this.#gap('starts found no place to wait', null);
  }

  /** Reports of other CIs that came in since the start, on what our jobs are for. */
  get reportsOfOthers(): number {
    return this.#options.admission.reportsOfOthers;
  }

  /** Resolves when what the event means is durable. */
  async handle(event: GerritEvent): Promise<void> {
    const change = changeOf(event);
    if (change !== null) this.#explained(change.change);
    const { durable } = await this.#options.admission.runExclusive(() => this.#handleOne(event));
    await durable;
    if (!('at' in event)) return;
    const intake = this.#checkpoint.lowerOrigin(event.at);
    if (intake !== null) await this.#note({ intake }).durable;
    this.#advance(event.at);
  }

  async run({ changes }: EffectOf<'catchUp'>, signal: AbortSignal): Promise<CaughtUp> {
    const end = this.#gaps.begin(changes);
    let worked = false;
    try {
      const report = await this.#catchUp(changes, signal);
      this.#gaps.open(report.unsure);
      worked = true;
      return report;
    } finally {
      end(worked);
      if (worked) this.#advance(0);
    }
  }

  /** True when Gerrit's account holds what its stream should have told and did not. Decides on nothing. */
  async hasMissed(signal: AbortSignal): Promise<boolean> {
    const since = this.#checkpoint.from;
    const reading = this.#reading(since);
    const { changes } = await this.#read({ since, changes: [] }, signal);
    return changes.some((past) => {
      const { missed, unsure } = this.#missedOf(past, reading);
      return !unsure && missed.some(({ event }) => event !== null);
    });
  }

  async #catchUp(changes: readonly number[] | null, signal: AbortSignal): Promise<CaughtUp> {
    const since = this.#checkpoint.from;
    const reading = this.#reading(since);
    const endUnshown = this.#hiddenComments.begin();
    const what = changes === null ? { since, changes: this.#held() } : { since: null, changes };
    const past = await this.#read(what, signal);
    const shown = endUnshown(past.changes, (change) => changes?.includes(change) ?? true);
    const unsure: number[] = [...shown.missing];
    const waiting: Promise<void>[] = [];
    const found = await this.#options.admission.runExclusive(async () => {
      const missed: MissedEvent[] = [];
      for (const change of past.changes) {
        const diff = this.#missedOf(change, reading);
        if (diff.named.length > 0) waiting.push(this.#name(change.change, diff.named).durable);
        if (diff.unsure) unsure.push(change.change);
        missed.push(...diff.missed);
      }
      for (const one of missed.sort(oldestFirst)) {
        signal.throwIfAborted();
        waiting.push((await this.#handleMissed(one, shown.tells(one.sighting))).durable);
      }
      for (const change of past.changes) waiting.push((await this.#handleClosing(change)).durable);
      return missed.filter(({ sighting, event }) => event !== null && !shown.tells(sighting)).length;
    });
    await Promise.all(waiting);
    if (shown.missing.length > 0) await sleep(BETWEEN_LOOKS_MS, signal, this.#options.clock);
    if (changes === null) this.#checkpoint.observe(newestOf(past.changes));
    this.#checkpoint.forget();
    return { since, changes: past.changes.length, found, unsure, unread: past.unread };
  }

  #handleOne(event: GerritEvent): Promise<Decided> {
    if (event.type === 'dropped-output') this.#gap('Gerrit dropped events for us', null);
    if (event.type === 'change-incomplete' && this.#concerns(event.project))
      this.#gap(`${event.name} came without its patchset`, [event.change]);
    const sighting = this.#isOurs(event) ? fingerprint(event, this.#options.hash) : null;
    return this.#decide(event, sighting, true);
  }

  /** @param told the stream has told of it, without its words */
  async #handleMissed({ sighting, event }: MissedEvent, told: boolean): Promise<Decided> {
    if (event === null) {
      const seen = { ...sighting, number: this.#seenCache.nextNumber(), streamed: false, hidden: false };
      return this.#note({ seen: [seen] });
    }
    if (!told) this.#options.store.count(`missed:${event.type}`, 1);
    return this.#decide(event, sighting, false);
  }

  /** An end needs no memory: whatever it would end has ended the second time. */
  async #handleClosing({ project, change, closed }: ChangeHistory): Promise<Decided> {
    const { admission, store } = this.#options;
    if (closed === null || store.openReviews(project, change).length === 0) return NOTHING;
    store.count(`missed:${closed.type}`, 1);
    return admission.decide(closed);
  }

  /** Has the trigger decide, and remembers what its decision is made of in the same transaction. */
  async #decide(event: GerritEvent, sighting: EventFingerprint | null, streamed: boolean): Promise<Decided> {
    const { admission } = this.#options;
    const seen = sighting === null ? [] : this.#seenCache.forChange(sighting.change);
    const novelty = noveltyOf(event, sighting, seen, streamed);
    if (sighting === null) return admission.decide(event, [], null, novelty);
    switch (novelty.is) {
      case 'new': {
        const number = this.#seenCache.nextNumber();
        const noted = {
          ...NO_UPDATE,
          seen: [{ ...sighting, number, streamed, hidden: novelty.hidden }],
        };
        return this.#hold(noted, [], await admission.decide(event, [noted], number, novelty));
      }
      case 'shown': {
        const noted = { ...NO_UPDATE, shown: [novelty.seen.number] };
        return this.#hold(noted, [novelty.seen], await admission.decide(event, [noted], null, novelty));
      }
      case 'echo': {
        const noted = { ...NO_UPDATE, streamed: [novelty.seen.number] };
        const decided = await admission.decide(event, [noted], null, novelty);
        this.#gap('the stream may have told again what was looked up before', [sighting.change]);
        return this.#hold(noted, [novelty.seen], decided);
      }
      case 'wordless':
        // It is counted and decided when its words are known.
        this.#hiddenComments.add(sighting);
        this.#gap('a comment came without its words', [sighting.change]);
        return NOTHING;
      case 'untracked':
      case 'known':
        return admission.decide(event, [], null, novelty);
      default:
        return assertNever(novelty);
    }
  }

  #note(noted: Partial<IntakeUpdate>, changed: readonly SeenEvent[] = []): Decided {
    const whole = { ...NO_UPDATE, ...noted };
    return this.#hold(whole, changed, { durable: this.#options.engine.submit([], [whole]) });
  }

  /** Of what was seen without an id it is known now. */
  #name(change: number, named: readonly IdAssignment[]): Decided {
    const numbers = new Set(named.map(({ number }) => number));
    return this.#note(
      { named },
      this.#seenCache.forChange(change).filter(({ number }) => numbers.has(number)),
    );
  }

  #hold(noted: IntakeUpdate, changed: readonly SeenEvent[], decided: Decided): Decided {
    if (decided.findAgain === true) {
      this.#gaps.open(null);
      return decided;
    }
    this.#seenCache.add(noted, changed, decided.durable);
    return decided;
  }

  #explained(change: number): void {
    this.#unexplained.get(change)?.();
    this.#unexplained.delete(change);
  }

  #lookUnexplained(change: number): void {
    this.#explained(change);
    this.#gap('Gerrit wrote to a change and no event said why', [change]);
  }

  #gap(why: string, changes: readonly number[] | null): void {
    this.#gaps.open(changes);
    this.#options.onGap(why, changes);
  }

  #advance(at: number): void {
    this.#checkpoint.observe(at);
    if (this.#gaps.none) this.#checkpoint.advance();
  }

  #reading(since: number): CatchUpQuery {
    const { hash, limits } = this.#options;
    return { since, asked: this.#seenCache.last, toleranceMs: limits.clockToleranceMs, hash };
  }

  #read(what: { readonly since: number | null; readonly changes: readonly number[] }, signal: AbortSignal) {
    if (this.#history === null) throw notConnected();
    return this.#history.read({ ...what, projects: this.#options.admission.projects }, signal);
  }

  #held(): readonly number[] {
    const { store, limits } = this.#options;
    const open = { open: true, limit: limits.maxOpenReviews };
    return [...new Set([...store.reviews(open), ...store.jobs(open)].map(({ change }) => change))];
  }

  /** Of projects that no job is for nothing is news; what is still open there can only end. */
  #missedOf(past: ChangeHistory, reading: CatchUpQuery): CatchUpDiff {
    return this.#concerns(past.project)
      ? findMissedEvents(past, this.#seen(past), reading)
      : { missed: [], unsure: false, named: [] };
  }

  /** A patchset that was refused for being hidden counts as hidden, whatever its event said. */
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

/** Gerrit's times are whole seconds; of the same second the change with the lower number was created first. */
function oldestFirst({ sighting: one }: MissedEvent, { sighting: other }: MissedEvent): number {
  return one.at - other.at || one.change - other.change;
}

function newestOf(changes: readonly ChangeHistory[]): number {
  return changes.reduce((newest, { updatedAt }) => Math.max(newest, updatedAt), 0);
}

function notConnected(): OperationError {
  return new OperationError({
    operation: 'query changes',
    target: 'gerrit',
    message: 'there is no connection to ask on',
    retryable: true,
    hint: 'it is asked as soon as there is one',
  });
}
