/**
 * Turns Gerrit's events into work. The trigger decides; a started review and all of its jobs are appended in one
 * transaction, at most once for each trigger. Events are processed one at a time, so each decision sees the result of
 * the one before it.
 */
import type { Log } from '../../log.ts';
import {
  assertNever,
  type JobSpec,
  type Patchset,
  type PreparePlan,
  type TriggerKind,
} from '../../machines/model/domain.ts';
import { type ChangeName, changeOf, type GerritEvent } from '../../machines/model/gerrit-event.ts';
import type { ReportSpec } from '../../machines/model/report-spec.ts';
import type { MailSpec } from '../../machines/review/mail.ts';
import { type Novelty, vetoOf } from '../../machines/trigger/novelty.ts';
import { nameOf } from '../../machines/trigger/rules/account.ts';
import type { StartCause } from '../../machines/trigger/rules/cause.ts';
import { matchesAny } from '../../machines/trigger/rules/glob.ts';
import { isReportOfOthers } from '../../machines/trigger/rules/other-ci-report.ts';
import {
  type Decision,
  explain,
  resume,
  type Start,
  type TriggerRules,
} from '../../machines/trigger/trigger.ts';
import type { TriggerFacts } from '../../machines/trigger/trigger-facts.ts';
import { versionOf } from '../../machines/versions.ts';
import { Semaphore } from '../../semaphore.ts';
import { type Submission, submissionFor } from '../loop/dispatch.ts';
import type { Engine } from '../loop/engine.ts';
import { holdsOfNewJobs } from '../operations/holds.ts';
import type { Alarms, Clock } from '../ports/adapters.ts';
import type { IgnoredRequest, IntakeUpdate, Store } from '../ports/store.ts';
import { DeferredStarts } from './deferred-starts.ts';
import { endReview } from './end-review.ts';
import type { NewId } from './ids.ts';
import { type OpenedReview, openReview } from './open-review.ts';
import { reportDelay } from './report-delay.ts';
import { NO_UPDATE } from './seen-cache.ts';
import { openReviews, startLookup, startsIn } from './trigger-facts.ts';

/** Settings for everything that is accepted from now on; a reload may change them. */
export interface AdmissionSettings {
  readonly rules: TriggerRules;
  readonly specs: ReadonlyMap<string, JobSpec>;
  readonly plan: PreparePlan;
  readonly report: ReportSpec;
  /** Null: no mail is sent. */
  readonly mail: MailSpec | null;
  readonly pipeline: string;
  /** Maximum number of open jobs; further starts wait. */
  readonly queueLength: number;
  /** Added to a job's waiting time, by what started it. */
  readonly headStartsMs: Readonly<Partial<Record<TriggerKind, number>>>;
}

export interface AdmissionOptions extends AdmissionSettings {
  readonly engine: Engine;
  readonly store: Store;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly newId: NewId;
  readonly deployment: string;
  /** False: events are counted and decided, but nothing is started. */
  readonly starts: boolean;
  /** Called when starts that did not fit on the waiting list may fit again: Gerrit must be queried for them. */
  readonly onSlotsFree: () => void;
}

/** A decision, and what it started. */
export interface AdmissionResult {
  readonly decision: Decision;
  readonly begun: OpenedReview | null;
}

/** A decided event. The next event may be decided now. */
export interface DecidedEvent {
  /** Resolves when the decision's results are durable. */
  readonly durable: Promise<void>;
  /** True: the event counts as not seen, so that a catch-up finds it again. */
  readonly findAgain?: boolean;
}

/** A decided event with its results. */
export interface AdmittedEvent extends DecidedEvent {
  readonly outcomes: readonly AdmissionResult[];
}

export class Admission {
  private options: AdmissionOptions;
  private readonly mutex = new Semaphore(1);
  private otherReports = 0;
  private readonly waiting: DeferredStarts;

  constructor(options: AdmissionOptions) {
    this.options = options;
    const { store, clock, onSlotsFree } = options;
    this.waiting = new DeferredStarts(store, clock, () => this.resumeWaiting(), onSlotsFree);
  }

  /** Applies from the next event on. */
  updateSettings(settings: AdmissionSettings): void {
    this.options = { ...this.options, ...settings };
  }

  /** Starts waiting work as soon as its limit allows it. */
  begin(): void {
    if (this.options.starts) this.waiting.begin();
  }

  /** Stops starting waiting work; it keeps waiting. */
  pause(): void {
    this.waiting.pause();
  }

  /**
   * Resolves when the event's results are durable.
   * @param note added to the reason of each start
   * @param number as for `decide`
   */
  async admit(
    event: GerritEvent,
    note = '',
    number: number | null = null,
  ): Promise<readonly AdmissionResult[]> {
    const { outcomes, durable } = await this.runExclusive(() => this.decideOne(event, [], number, note));
    await durable;
    return outcomes;
  }

  /**
   * Call within `runExclusive`. Resolves when the next event may be decided.
   * @param noted stored in the same transaction as the work that the event starts
   * @param number the event's number among all seen events, which distinguishes repeated requests
   */
  decide(
    event: GerritEvent,
    noted: readonly IntakeUpdate[] = [],
    number: number | null = null,
    novelty: Novelty = { is: 'untracked' },
  ): Promise<AdmittedEvent> {
    return this.decideOne(event, noted, number, '', novelty);
  }

  /** True when the end of the change has something to end: a review, a job that one left, or a delayed start. */
  hasWork(change: ChangeName): boolean {
    const { store, engine } = this.options;
    return this.waiting.of(change) !== null || openReviews(store, engine.histories, change).length > 0;
  }

  /** Starts waiting work that may start, the longest wait first. Resolves to the decisions. */
  resumeWaiting(): Promise<readonly Decision[]> {
    return this.runExclusive(() => this.resumeAll());
  }

  /** The intake's only mutex: stream, catch-up, waiting starts and operators take turns. */
  runExclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.mutex.run(work);
  }

  /** Number of other CIs' reports since the start, on changes that our jobs cover. */
  get reportsOfOthers(): number {
    return this.otherReports;
  }

  /** Project patterns of all jobs, in which `*` is any run of characters. */
  get projects(): readonly string[] {
    return [...new Set(this.options.rules.jobs.flatMap(({ projects }) => projects))];
  }

  /** False: events are decided, but nothing is started. */
  get starts(): boolean {
    return this.options.starts;
  }

  /** Number of jobs that may be started in addition to the open ones. */
  get freeCapacity(): number {
    return Math.max(0, this.options.queueLength - this.openJobs);
  }

  /** The names of all jobs. */
  get jobNames(): readonly string[] {
    return [...this.options.specs.keys()];
  }

  /** The names of the jobs for this project and branch, regardless of their other rules. */
  jobsFor({ project, branch }: Pick<Patchset, 'project' | 'branch'>): readonly string[] {
    return this.options.rules.jobs.flatMap(({ name, projects, branches }) =>
      matchesAny(projects, project) && matchesAny(branches, branch) ? [name] : [],
    );
  }

  /** Settings for everything that is accepted from now on. */
  get settings(): AdmissionSettings {
    return this.options;
  }

  /**
   * Opens a review with these jobs by hand, regardless of the change's state. Returns null when the trigger has started
   * something before.
   * @param cause null: counts towards no limit of the rules, and gets none of their head starts
   */
  async start(
    patchset: Patchset,
    jobs: readonly string[],
    trigger: string,
    cause: StartCause | null = null,
  ): Promise<OpenedReview | null> {
    const { engine, store, report } = this.options;
    if (store.triggered(trigger)) return null;
    const plan = { ...this.options.plan, onlyCurrent: false, requiredVote: null };
    const opening = { patchset, jobs, trigger, plan, report, cause, mail: null };
    const { admitted, submissions } = openReview(opening, this.options);
    await engine.submit([...submissions, ...this.holdsOf(patchset, admitted)]);
    return admitted;
  }

  private holdsOf(patchset: Patchset, { jobs }: OpenedReview): readonly Submission[] {
    return holdsOfNewJobs(this.options.engine.histories.values(), patchset, jobs);
  }

  private get openJobs(): number {
    const { engine } = this.options;
    return [...engine.histories.values()].filter((stored) => versionOf(stored).jobProvider(stored) !== null)
      .length;
  }

  private async decideOne(
    event: GerritEvent,
    noted: readonly IntakeUpdate[],
    number: number | null,
    note = '',
    novelty: Novelty = { is: 'untracked' },
  ): Promise<AdmittedEvent> {
    const { store, rules, log, clock } = this.options;
    store.count(event.type === 'other' ? `other:${event.name}` : event.type, 1);
    if (vetoOf(novelty) === null && isReportOfOthers(event, rules)) this.otherReports += 1;
    const change = changeOf(event);
    const now = clock.now();
    const facts = this.factsOf(change, { now, number: number ?? now, starts: startsIn(store), novelty });
    const explained = explain(event, rules, facts);
    const decisions = explained.decisions.map((decision) => withNote(decision, note));
    for (const { do: done, rule, why } of decisions)
      log.debug({ event: event.type, ...change, decision: done, rule, why }, 'trigger');
    if (!this.options.starts) return this.carryOut(null, [], noted);
    const findAgain = decisions.some((decision) => decision.do === 'ignore' && decision.findAgain === true);
    const ignored = explained.isRequest || findAgain ? this.ignoredRequests(event, decisions) : [];
    // An event that must be found again is not noted as seen.
    const kept = findAgain ? [] : noted;
    const updates = ignored.length === 0 ? kept : [...kept, { ...NO_UPDATE, ignored }];
    return { ...(await this.carryOut(change, decisions, updates)), findAgain };
  }

  /**
   * Appends all results of one event in one transaction: a superseded review never ends without its successor.
   */
  private async carryOut(
    change: ChangeName | null,
    decisions: readonly Decision[],
    noted: readonly IntakeUpdate[],
  ): Promise<AdmittedEvent> {
    const { engine } = this.options;
    const applied: AppliedDecision[] = [];
    for (const decision of decisions) applied.push(await this.apply(decision));
    const submissions = applied.flatMap((one) => one.submissions);
    const waiting = change === null ? [] : this.waiting.apply(change, decisions);
    const all = waiting.length === 0 ? noted : [...noted, { ...NO_UPDATE, waiting }];
    const isEmpty = submissions.length + all.length === 0;
    const durable = isEmpty ? Promise.resolve() : engine.submit(submissions, all);
    // The next decision needs the stored result of this one; a decision that starts nothing delays no event.
    if (submissions.length > 0) await durable;
    return { outcomes: applied, durable };
  }

  private async resumeAll(): Promise<readonly Decision[]> {
    const { store, rules, clock, log } = this.options;
    const now = clock.now();
    const decided: Decision[] = [];
    let starts = startsIn(store);
    for (const waiting of this.waiting.all()) {
      if (!this.waiting.active) break;
      const { patchset } = waiting.start;
      const decisions = resume(
        waiting,
        rules,
        this.factsOf(patchset, { now, number: 0, starts, novelty: { is: 'untracked' } }),
      );
      if (decisions.length === 0) continue;
      for (const { do: done, rule, why } of decisions)
        log.debug({ change: patchset.change, decision: done, rule, why }, 'trigger: a delayed start');
      const { durable } = await this.carryOut(patchset, decisions, []);
      await durable;
      decided.push(...decisions);
      starts = startsIn(store);
    }
    return decided;
  }

  private factsOf(
    change: ChangeName | null,
    given: Pick<TriggerFacts, 'now' | 'number' | 'starts' | 'novelty'>,
  ): TriggerFacts {
    const { store, engine, queueLength } = this.options;
    return {
      ...given,
      open: change === null ? [] : openReviews(store, engine.histories, change),
      waiting: change === null ? null : this.waiting.of(change),
      waitingChanges: this.waiting.size,
      openJobs: this.openJobs,
      queueLength,
      startResult: startLookup(store),
    };
  }

  /** Records a requested run that is not started: the log and `sos-ci explain CHANGE` report why. */
  private ignoredRequests(event: GerritEvent, decisions: readonly Decision[]): readonly IgnoredRequest[] {
    const last = decisions.at(-1);
    if (last?.do !== 'ignore' || !('patchset' in event)) return [];
    const { project, change, patchset } = event.patchset;
    const by = nameOf(event.by);
    const at = event.at === 0 ? this.options.clock.now() : event.at;
    const { rule, why } = last;
    this.options.log.info({ target: `${change},${patchset}`, by, rule, why }, 'a request is ignored');
    return [{ project, change, patchset, by, at, rule, why }];
  }

  private async apply(decision: Decision): Promise<AppliedDecision> {
    switch (decision.do) {
      case 'ignore':
        if (decision.findAgain === true) await reportDelay({ ...decision, target: 'all' }, this.options);
        return unchanged(decision);
      case 'drop':
        return unchanged(decision);
      case 'cancel':
      case 'supersede': {
        const { store, engine } = this.options;
        return { decision, begun: null, submissions: endReview(decision, store, engine.histories) };
      }
      case 'forward': {
        const submissions = [submissionFor(decision.review, { type: 'vote.cast', vote: decision.vote })];
        return { decision, begun: null, submissions };
      }
      case 'defer':
        await reportDelay(decision, this.options);
        return unchanged(decision);
      case 'start':
        return this.startReview(decision);
      default:
        return assertNever(decision);
    }
  }

  private startReview(decision: Start): AppliedDecision {
    const { clock, log, plan, report, mail } = this.options;
    const { patchset, jobs, trigger, why, requiredVote, kind, by } = decision;
    const cause = { kind, by, at: decision.at === 0 ? clock.now() : decision.at, why };
    const opening = { patchset, jobs, trigger, plan: { ...plan, requiredVote }, report, cause, mail };
    const { admitted, submissions } = openReview(opening, this.options);
    log.info({ target: `${patchset.change},${patchset.patchset}`, why, ...admitted }, 'accepted');
    const holds = this.holdsOf(patchset, admitted);
    return { decision, begun: admitted, submissions: [...submissions, ...holds] };
  }
}

/** The result of a decision, and what must be appended for it. */
interface AppliedDecision extends AdmissionResult {
  readonly submissions: readonly Submission[];
}

function unchanged(decision: Decision): AppliedDecision {
  return { decision, begun: null, submissions: [] };
}

function withNote(decision: Decision, note: string): Decision {
  if (note === '') return decision;
  if (decision.do === 'start') return { ...decision, why: `${decision.why}: ${note}` };
  if (decision.do !== 'defer') return decision;
  const { start } = decision;
  return { ...decision, start: { ...start, why: `${start.why}: ${note}` } };
}
