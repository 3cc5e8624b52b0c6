/**
 * Where Gerrit's events become work: the trigger decides, and what it starts is appended whole, the review and all of
 * its jobs in one transaction, at most once for one trigger. Events are taken one after the other, so that each is
 * decided upon what the one before it left.
 */
import type { Log } from '../log.ts';
import type { AnyEvent } from '../machines/events.ts';
import type { GerritEvent } from '../machines/gerrit-event.ts';
import type { MailSpec } from '../machines/mail.ts';
import type { ReportSpec } from '../machines/report.ts';
import type { Stored } from '../machines/row.ts';
import type { StartCause } from '../machines/rules/cause.ts';
import { isReportOfOthers } from '../machines/rules/coverage.ts';
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
import type { Alarms, Clock } from './ports.ts';
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

/** What was begun. */
export interface Admitted {
  readonly review: string;
  readonly jobs: readonly string[];
}

/** What was decided: the next event may be decided upon. */
export interface Decided {
  /** Resolves when all of it is stored. */
  readonly durable: Promise<void>;
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

  /** Resolves when what the event means is durable. */
  async take(event: GerritEvent): Promise<void> {
    const { durable } = await this.decide(event);
    await durable;
  }

  /**
   * Resolves when the next event may be decided upon.
   * @param noted kept in the transaction of what the event starts
   * @param number of the event among all that were seen: what may ask again is told apart by it
   */
  decide(event: GerritEvent, noted: readonly Noted[] = [], number: number | null = null): Promise<Decided> {
    const decided = this.last.then(() => this.decideOne(event, noted, number));
    this.last = decided.catch(() => undefined);
    return decided;
  }

  /** Reports of other CIs that came in since the start, on what our jobs are for. */
  get reportsOfOthers(): number {
    return this.others;
  }

  /** The projects that any job is for: patterns, in which `*` is any run of characters. */
  get projects(): readonly string[] {
    return [...new Set(this.options.rules.jobs.flatMap(({ projects }) => projects))];
  }

  /**
   * Opens a review with these jobs by hand, whatever the change's state is, or returns null when the trigger has started
   * something before.
   */
  async start(
    patchset: Patchset,
    jobNames: readonly string[],
    trigger: string,
    report: ReportSpec = this.options.report,
  ): Promise<Admitted | null> {
    const { engine, store, plan } = this.options;
    if (store.triggered(trigger)) return null;
    const byHand = { ...plan, onlyCurrent: false, hold: null };
    const { admitted, submissions } = this.opening(patchset, jobNames, trigger, byHand, report, null);
    await engine.submit(submissions);
    return admitted;
  }

  private opening(
    patchset: Patchset,
    jobNames: readonly string[],
    trigger: string,
    plan: PreparePlan,
    report: ReportSpec,
    cause: StartCause | null,
    mail: MailSpec | null = null,
  ): { readonly admitted: Admitted; readonly submissions: readonly Submission[] } {
    const { clock, newId, specs, pipeline, deployment, headStartsMs } = this.options;
    const now = clock.now();
    const review = newId('r', now);
    const headStart = cause === null ? {} : { headStartMs: headStartsMs[cause.kind] ?? 0 };
    const jobs = jobNames.map((name) => {
      return { job: newId('j', now), name, spec: { ...specOf(specs, name), ...headStart } };
    });
    const opened: Submission = {
      history: review,
      machine: 'review@1',
      event: {
        type: 'review.opened',
        review,
        pipeline,
        patchset,
        trigger,
        ...(cause === null ? {} : { cause }),
        jobs: jobs.map(({ job, name, spec: { voting, files } }) => ({ job, name, voting, files })),
        plan,
        report,
        ...(mail === null ? {} : { mail }),
      },
      settles: null,
      cause: null,
    };
    const accepted = jobs.map(
      ({ job, spec }): Submission => ({
        history: job,
        machine: 'job@1',
        event: { type: 'job.accepted', job, review, deployment, patchset, spec },
        settles: null,
        cause: `${review}/1`,
      }),
    );
    const admitted = { review, jobs: jobs.map(({ job }) => job) };
    return { admitted, submissions: [opened, ...accepted] };
  }

  private async decideOne(
    event: GerritEvent,
    noted: readonly Noted[],
    number: number | null,
  ): Promise<Decided> {
    const { engine, store, rules, log } = this.options;
    store.count(event.type === 'other' ? `other:${event.name}` : event.type, 1);
    if (isReportOfOthers(event, rules)) this.others += 1;
    const change = changeOf(event);
    const open = change === null ? [] : this.openReviews(change);
    // All that one event means is one transaction: a change whose older review is ended has its newer one.
    const submissions: Submission[] = [];
    for (const made of decide(event, rules, open)) {
      const decision = numbered(event, made, number ?? this.options.clock.now());
      const { do: done, rule, why } = decision;
      log.debug({ event: event.type, ...change, decision: done, rule, why }, 'trigger');
      if (this.options.starts) submissions.push(...(await this.carriedOut(decision)));
    }
    const nothing = submissions.length + noted.length === 0;
    const durable = nothing ? Promise.resolve() : engine.submit(submissions, noted);
    // The next decision is made upon what this one has stored; what starts nothing holds nobody up.
    if (submissions.length > 0) await durable;
    return { durable };
  }

  private openReviews({ project, change }: ChangeName): readonly OpenReview[] {
    const { engine, store } = this.options;
    return store.openReviews(project, change).map((review) => {
      const { state = 'waiting', context } = engine.histories.get(review.id) ?? {};
      const plan = state.startsWith('preparing') ? (context?.plan as PreparePlan | undefined) : undefined;
      const testing = /^(preparing|waiting)\b/.test(state);
      return { ...review, testing, hold: plan?.hold ?? null, begun: this.hasBegun(context) };
    });
  }

  /** A job that is not open any more has left the queue too. */
  private hasBegun(review: Stored['context'] | undefined): boolean {
    const jobs = (review?.jobs ?? []) as readonly { readonly job: string }[];
    const { histories } = this.options.engine;
    return jobs.some(({ job }) => !(histories.get(job)?.state.startsWith('queued') ?? false));
  }

  private async carriedOut(decision: Decision): Promise<readonly Submission[]> {
    switch (decision.do) {
      case 'ignore':
        return [];
      case 'cancel':
        return [toReview(decision.review, { type: 'review.cancelled', reason: decision.why })];
      case 'supersede':
        return [toReview(decision.review, { type: 'review.superseded', by: decision.by })];
      case 'tell':
        return [toReview(decision.review, { type: 'vote.cast', vote: decision.vote })];
      case 'start':
        return this.startOrRefuse(decision);
      default:
        return assertNever(decision);
    }
  }

  private async startOrRefuse(decision: Start): Promise<readonly Submission[]> {
    const { engine, store, alarms, clock, queueLength, log, plan, report, mail, rules } = this.options;
    const { patchset, jobs, trigger, why, hold, kind, by } = decision;
    const target = `${patchset.change},${patchset.patchset}`;
    if (store.triggered(trigger)) {
      log.debug({ target, trigger }, 'started before');
      return [];
    }
    const over = await overLimit(this.options, rules.limits, decision);
    if (over !== null) {
      log.debug({ target, ...over }, 'refused');
      return [];
    }
    const open = [...engine.histories.values()].filter(({ machine }) => machine === 'job@1').length;
    if (open + jobs.length > queueLength) {
      await alarms.raise({
        kind: 'queue-full',
        target,
        message: `not started: ${open} jobs are open`,
        hint: 'are servers to be had? limits.queueLength is the limit',
      });
      return [];
    }
    const cause = { kind, by, at: decision.at === 0 ? clock.now() : decision.at, why };
    const waiting = { ...plan, hold };
    const { admitted, submissions } = this.opening(patchset, jobs, trigger, waiting, report, cause, mail);
    log.info({ target, why, ...admitted }, 'accepted');
    return submissions;
  }
}

/** A trigger starts once; a comment may ask again, in the same words and in the same second. */
function numbered(event: GerritEvent, decision: Decision, number: number): Decision {
  const repeats = event.type === 'comment-added' || event.type === 'change-restored';
  return decision.do === 'start' && repeats
    ? { ...decision, trigger: `${decision.trigger}#${number}` }
    : decision;
}

function toReview(history: string, event: AnyEvent): Submission {
  return { history, machine: 'review@1', event, settles: null, cause: null };
}

function specOf(specs: ReadonlyMap<string, JobSpec>, name: string): JobSpec {
  const spec = specs.get(name);
  if (spec === undefined) throw new Error(`there is no job ${name}`);
  return spec;
}

interface ChangeName {
  readonly project: string;
  readonly change: number;
}

function changeOf(event: GerritEvent): ChangeName | null {
  if ('patchset' in event) return { project: event.patchset.project, change: event.patchset.change };
  return event.type === 'change-deleted' ? { project: event.project, change: event.change } : null;
}
