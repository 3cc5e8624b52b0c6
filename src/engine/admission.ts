/**
 * Where Gerrit's events become work: the trigger decides, and what it starts is appended whole, the review and all of
 * its jobs in one transaction, at most once for one trigger. Events are taken one after the other, so that each is
 * decided upon what the one before it left.
 */
import type { Log } from '../log.ts';
import type { AnyEvent } from '../machines/events.ts';
import { type ChangeName, changeOf, type GerritEvent } from '../machines/gerrit-event.ts';
import type { MailSpec } from '../machines/mail.ts';
import type { ReportSpec } from '../machines/report.ts';
import type { Stored } from '../machines/row.ts';
import type { StartCause } from '../machines/rules/cause.ts';
import { isReportOfOthers } from '../machines/rules/coverage.ts';
import { matchesAny } from '../machines/rules/glob.ts';
import type { Finding } from '../machines/rules/word.ts';
import {
  type Decision,
  decide,
  type OpenReview,
  type Start,
  type TriggerRules,
} from '../machines/trigger.ts';
import {
  assertNever,
  type JobSpec,
  type Patchset,
  type PreparePlan,
  type TriggerKind,
} from '../machines/vocabulary.ts';
import type { Submission } from './cascade.ts';
import type { Engine } from './engine.ts';
import type { NewId } from './ids.ts';
import { type Admitted, openReview } from './opening.ts';
import type { Alarms, Clock } from './ports.ts';
import { freeTrigger } from './shown-again.ts';
import { overLimit } from './start-limits.ts';
import type { Noted, Store } from './store.ts';

/** What counts for everything that is accepted from now on, and may be read anew. */
export interface Acceptance {
  readonly rules: TriggerRules;
  readonly specs: ReadonlyMap<string, JobSpec>;
  readonly plan: PreparePlan;
  readonly report: ReportSpec;
  /** Null: nobody is told by mail. */
  readonly mail: MailSpec | null;
  readonly pipeline: string;
  /** Jobs that may be open at the same time; what comes on top is refused with an alarm. */
  readonly queueLength: number;
  /** By how much a job counts as if it had waited longer, by what started it. */
  readonly headStartsMs: Readonly<Partial<Record<TriggerKind, number>>>;
}

export interface AdmissionOptions extends Acceptance {
  readonly engine: Engine;
  readonly store: Store;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly newId: NewId;
  readonly deployment: string;
  /** False: events are counted and decided upon, and nothing is started. */
  readonly starts: boolean;
}

/** A decision, and what was begun by it. */
export interface Outcome {
  readonly decision: Decision;
  readonly begun: Admitted | null;
}

/** What was decided: the next event may be decided upon. */
export interface Decided {
  /** Resolves when all of it is stored. */
  readonly durable: Promise<void>;
}

interface Taken extends Decided {
  readonly outcomes: readonly Outcome[];
}

export class Admission {
  private options: AdmissionOptions;
  private last: Promise<unknown> = Promise.resolve();
  private others = 0;

  constructor(options: AdmissionOptions) {
    this.options = options;
  }

  /** From the next event on. */
  accept(acceptance: Acceptance): void {
    this.options = { ...this.options, ...acceptance };
  }

  /** Resolves when what the event means is durable. @param note stands beside the reason of what it starts */
  async take(event: GerritEvent, note = ''): Promise<readonly Outcome[]> {
    const { outcomes, durable } = await this.between(() => this.decideOne(event, [], null, note));
    await durable;
    return outcomes;
  }

  /**
   * Resolves when the next event may be decided upon.
   * @param noted kept in the transaction of what the event starts
   * @param number of the event among all that were seen: what may ask again is told apart by it
   */
  decide(event: GerritEvent, noted: readonly Noted[] = [], number: number | null = null): Promise<Decided> {
    return this.between(() => this.decideOne(event, noted, number));
  }

  /** Nothing is decided upon meanwhile. */
  between<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }

  /** Reports of other CIs that came in since the start, on what our jobs are for. */
  get reportsOfOthers(): number {
    return this.others;
  }

  /** The projects that any job is for: patterns, in which `*` is any run of characters. */
  get projects(): readonly string[] {
    return [...new Set(this.options.rules.jobs.flatMap(({ projects }) => projects))];
  }

  /** False: events are only decided upon. */
  get starts(): boolean {
    return this.options.starts;
  }

  /** Jobs that may be begun beside those that are open. */
  get room(): number {
    const { engine, queueLength } = this.options;
    const open = [...engine.histories.values()].filter(({ machine }) => machine === 'job@1').length;
    return Math.max(0, queueLength - open);
  }

  /** The jobs that can be started. */
  get jobNames(): readonly string[] {
    return [...this.options.specs.keys()];
  }

  /** Those of them that are for this project and branch, whatever else their rules say. */
  jobsFor({ project, branch }: Pick<Patchset, 'project' | 'branch'>): readonly string[] {
    return this.options.rules.jobs.flatMap(({ name, projects, branches }) =>
      matchesAny(projects, project) && matchesAny(branches, branch) ? [name] : [],
    );
  }

  /** Our own user name in Gerrit. */
  get account(): string {
    return this.options.rules.account;
  }

  /**
   * Opens a review with these jobs by hand, whatever the change's state is, or returns null when the trigger has started
   * something before.
   * @param cause null: of no account for the rules' limits and head starts
   */
  async start(
    patchset: Patchset,
    jobs: readonly string[],
    trigger: string,
    cause: StartCause | null = null,
  ): Promise<Admitted | null> {
    const { engine, store, report } = this.options;
    if (store.triggered(trigger)) return null;
    const plan = { ...this.options.plan, onlyCurrent: false, hold: null };
    const opening = { patchset, jobs, trigger, plan, report, cause, mail: null };
    const { admitted, submissions } = openReview(opening, this.options);
    await engine.submit(submissions);
    return admitted;
  }

  private async decideOne(
    event: GerritEvent,
    noted: readonly Noted[],
    number: number | null,
    note = '',
  ): Promise<Taken> {
    const { engine, store, rules, log } = this.options;
    store.count(event.type === 'other' ? `other:${event.name}` : event.type, 1);
    if (isReportOfOthers(event, rules)) this.others += 1;
    const change = changeOf(event);
    const open = change === null ? [] : this.openReviews(change);
    // All that one event means is one transaction: a change whose older review is ended has its newer one.
    const submissions: Submission[] = [];
    const outcomes: Outcome[] = [];
    for (const made of decide(event, rules, open)) {
      const decision = withNote(numbered(event, made, number ?? this.options.clock.now()), note);
      const { do: done, rule, why } = decision;
      log.debug({ event: event.type, ...change, decision: done, rule, why }, 'trigger');
      if (!this.options.starts) continue;
      const carried = await this.carriedOut(decision);
      outcomes.push(carried);
      submissions.push(...carried.submissions);
    }
    const nothing = submissions.length + noted.length === 0;
    const durable = nothing ? Promise.resolve() : engine.submit(submissions, noted);
    // The next decision is made upon what this one has stored; what starts nothing holds nobody up.
    if (submissions.length > 0) await durable;
    return { outcomes, durable };
  }

  private openReviews({ project, change }: ChangeName): readonly OpenReview[] {
    const { engine, store } = this.options;
    return store.openReviews(project, change).map((review) => {
      const { state = 'waiting', context } = engine.histories.get(review.id) ?? {};
      const plan = state.startsWith('preparing') ? (context?.plan as PreparePlan | undefined) : undefined;
      const testing = /^(preparing|waiting)\b/.test(state) && context?.hidden !== true;
      return { ...review, testing, hold: plan?.hold ?? null, begun: this.hasBegun(context) };
    });
  }

  /** A job that is not open any more has left the queue too. */
  private hasBegun(review: Stored['context'] | undefined): boolean {
    const jobs = (review?.jobs ?? []) as readonly { readonly job: string }[];
    const { histories } = this.options.engine;
    return jobs.some(({ job }) => !(histories.get(job)?.state.startsWith('queued') ?? false));
  }

  private async carriedOut(decision: Decision): Promise<Carried> {
    switch (decision.do) {
      case 'ignore':
        return passed(decision);
      case 'cancel':
        return telling(decision, { type: 'review.cancelled', reason: decision.why });
      case 'supersede':
        return telling(decision, { type: 'review.superseded', by: decision.by });
      case 'tell':
        return telling(decision, { type: 'vote.cast', vote: decision.vote });
      case 'start':
        return this.startOrRefuse(decision);
      default:
        return assertNever(decision);
    }
  }

  private async startOrRefuse(decision: Start): Promise<Carried> {
    const { store, alarms, clock, queueLength, log, plan, report, mail, rules } = this.options;
    const { patchset, jobs, trigger, why, hold, kind, by } = decision;
    const target = `${patchset.change},${patchset.patchset}`;
    const refused = (finding: Finding): Carried => {
      log.debug({ target, ...finding }, 'refused');
      return passed({ do: 'ignore', ...finding });
    };
    const free = freeTrigger(store, trigger, kind);
    if (free === null) return refused({ rule: 'started', why: 'the same cause has started it before' });
    const over = await overLimit(this.options, rules.limits, decision);
    if (over !== null) return refused(over);
    if (jobs.length > this.room) {
      const why = `${queueLength - this.room} jobs are open`;
      const message = `not started: ${why}`;
      const hint = 'are servers to be had? limits.queueLength is the limit';
      await alarms.raise({ kind: 'queue-full', target, message, hint });
      return refused({ rule: 'queue-full', why });
    }
    const cause = { kind, by, at: decision.at === 0 ? clock.now() : decision.at, why };
    const opening = { patchset, jobs, trigger: free, plan: { ...plan, hold }, report, cause, mail };
    const { admitted, submissions } = openReview(opening, this.options);
    log.info({ target, why, ...admitted }, 'accepted');
    return { decision, begun: admitted, submissions };
  }
}

/** What came of a decision, and what has to be appended for it. */
interface Carried extends Outcome {
  readonly submissions: readonly Submission[];
}

function passed(decision: Decision): Carried {
  return { decision, begun: null, submissions: [] };
}

function telling(decision: Decision & { readonly review: string }, event: AnyEvent): Carried {
  const told: Submission = {
    history: decision.review,
    machine: 'review@1',
    event,
    settles: null,
    cause: null,
  };
  return { decision, begun: null, submissions: [told] };
}

/** A trigger starts once; a comment may ask again, in the same words and in the same second. */
function numbered(event: GerritEvent, decision: Decision, number: number): Decision {
  const repeats = event.type === 'comment-added' || event.type === 'change-restored';
  return decision.do === 'start' && repeats
    ? { ...decision, trigger: `${decision.trigger}#${number}` }
    : decision;
}

function withNote(decision: Decision, note: string): Decision {
  return decision.do === 'start' && note !== '' ? { ...decision, why: `${decision.why}: ${note}` } : decision;
}
