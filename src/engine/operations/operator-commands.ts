/**
 * The commands of operators to a running daemon. Each request becomes events of its target histories, with the operator
 * and the reason, so that a replay shows them; an impossible request is refused with a hint about the alternative. The
 * command returns once the events are durable.
 */

import { assertNever, type Patchset } from '../../machines/model/domain.ts';
import type { Admission } from '../intake/admission.ts';
import type { NewId } from '../intake/ids.ts';
import { jobsLeft } from '../intake/trigger-facts.ts';
import { type Submission, submissionFor } from '../loop/dispatch.ts';
import type { Engine } from '../loop/engine.ts';
import type { Clock } from '../ports/adapters.ts';
import {
  type JobReference,
  type Operator,
  type OperatorAnswers,
  type OperatorRequest,
  type Operators,
  Refused,
  type ReloadResult,
  type StartedReview,
  type Target,
} from '../ports/operator-api.ts';
import type { AlarmView, JobView, Store } from '../ports/store.ts';
import { Holds } from './holds.ts';
import type { Janitors } from './janitors.ts';
import { resumeVoting } from './open-voting.ts';
import type { Sweep } from './sweep.ts';

export interface OperatorCommandsOptions {
  readonly engine: Engine;
  readonly store: Store;
  readonly sweep: Pick<Sweep, 'leaks' | 'collectGarbage'>;
  readonly janitors: Pick<Janitors, 'clean'>;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly newId: NewId;
  /** Queries a patchset from Gerrit, the current one with null; null when Gerrit does not show it. */
  readonly findPatchset: (change: number, patchset: number | null) => Promise<Patchset | null>;
  readonly reload: (operator: Operator) => Promise<ReloadResult>;
  readonly identity: { readonly pid: number; readonly version: string };
}

/** Maximum number of open jobs of one change that are considered. */
const JOBS_LIMIT = 10_000;
/** Maximum number of alarms that are searched. */
const ALARMS_LIMIT = 10_000;

export class OperatorCommands implements Operators {
  private readonly options: OperatorCommandsOptions;
  private readonly holds: Holds;

  constructor(options: OperatorCommandsOptions) {
    this.options = options;
    this.holds = new Holds(options);
  }

  async perform(
    request: OperatorRequest,
    operator: Operator,
  ): Promise<OperatorAnswers[OperatorRequest['do']]> {
    const { engine, store, sweep, identity, reload } = this.options;
    switch (request.do) {
      case 'ping':
        return identity;
      case 'enqueue':
        return this.enqueue(request, operator);
      case 'dequeue':
        return this.dequeue(request.target, operator);
      case 'promote':
        return this.promote(request.targets, operator);
      case 'hold':
        return this.holds.request(request, operator);
      case 'release':
        return this.holds.release(request, operator);
      case 'recheck':
        return this.recheck(request.change, operator);
      case 'resume-voting':
        return { resumed: await resumeVoting(engine, store, operator.who, operator.why) };
      case 'acknowledge':
        return this.acknowledge(request.alarm, operator);
      case 'reload':
        return reload(operator);
      case 'clean':
        return this.options.janitors.clean(request.janitor, operator);
      case 'leaks':
        return sweep.leaks();
      case 'gc':
        return request.dryRun ? sweep.leaks() : sweep.collectGarbage(operator);
      default:
        return assertNever(request);
    }
  }

  private async enqueue(
    request: Extract<OperatorRequest, { do: 'enqueue' }>,
    operator: Operator,
  ): Promise<StartedReview> {
    const { admission } = this.options;
    this.assertStarting();
    this.assertKnown(request.jobs);
    const patchset = await this.find(request.change, request.patchset);
    // Concurrent requests, and events that start the same jobs, must see each other's results.
    return admission.runExclusive(() =>
      this.begin(patchset, this.jobsToBegin(request.jobs, patchset), operator),
    );
  }

  private assertKnown(names: readonly string[]): void {
    const { jobNames } = this.options.admission;
    const unknown = names.filter((name) => !jobNames.includes(name));
    if (unknown.length > 0)
      throw new Refused('unknown', `there is no job ${unknown.join(', ')}`, `known: ${jobNames.join(', ')}`);
  }

  /** Removes duplicates; an empty list means every job for the project and branch. */
  private jobsToBegin(names: readonly string[], patchset: Patchset): readonly string[] {
    const { admission } = this.options;
    // The configuration may have been reloaded during the query to Gerrit.
    this.assertKnown(names);
    const jobs = names.length > 0 ? [...new Set(names)] : admission.jobsFor(patchset);
    const { project, branch } = patchset;
    if (jobs.length === 0)
      throw new Refused(
        'unknown',
        `no job tests ${project}, branch ${branch}`,
        `name the jobs: ${admission.jobNames.join(', ')}`,
      );
    if (jobs.length > admission.freeCapacity)
      throw new Refused(
        'refused',
        'the queue is full',
        'wait, dequeue something, or raise triggers.maxOpenJobs',
      );
    return jobs;
  }

  private async begin(
    patchset: Patchset,
    jobs: readonly string[],
    operator: Operator,
  ): Promise<StartedReview> {
    const { admission, clock } = this.options;
    const alreadyRunning = this.jobsOf(patchset).filter(({ name }) => jobs.includes(name));
    if (alreadyRunning.length > 0) throw alreadyRunningError(alreadyRunning);
    const at = clock.now();
    const by = displayName(operator);
    const cause = { kind: 'recheck', by, at, why: `enqueued${reasonSuffix(operator)}` } as const;
    const { project, change } = patchset;
    const trigger = `${project}~${change},${patchset.patchset}:enqueued:${by}:${at}:${jobs.join(',')}`;
    const admitted = await admission.start(patchset, jobs, trigger, cause);
    if (admitted === null)
      throw new Refused('refused', 'the same request is already being handled', 'sos-ci jobs');
    return { ...admitted, ...nameOf(patchset) };
  }

  private async dequeue(target: Target, operator: Operator): Promise<OperatorAnswers['dequeue']> {
    const reason = `dequeued by ${operator.who}${reasonSuffix(operator)}`;
    if ('job' in target) {
      const job = this.openJob(target.job);
      await this.submit([submissionFor(job.id, { type: 'job.cancelled', reason })]);
      return { jobs: [referenceOf(job)], reviews: [] };
    }
    const { store, engine } = this.options;
    const isMeant = ({ patchset }: { readonly patchset: number }) =>
      target.patchset === null || patchset === target.patchset;
    const reviews = store.reviews({ open: true, change: target.change, limit: JOBS_LIMIT }).filter(isMeant);
    const left = jobsLeft(store, engine.histories, target.change).filter(isMeant);
    if (reviews.length === 0 && left.length === 0) throw nothingOpen(target);
    const ofReviews = this.openJobs(target).filter((job) => reviews.some(({ id }) => id === job.review));
    const jobs = [...ofReviews, ...left.filter(({ id }) => !ofReviews.some((job) => job.id === id))];
    await this.submit([
      ...reviews.map(({ id }) => submissionFor(id, { type: 'review.cancelled', reason })),
      ...left.map(({ id }) => submissionFor(id, { type: 'job.cancelled', reason })),
    ]);
    return { jobs: jobs.map(referenceOf), reviews: reviews.map(({ id }) => id) };
  }

  private async promote(
    targets: readonly Target[],
    { who, why }: Operator,
  ): Promise<OperatorAnswers['promote']> {
    const found = targets.flatMap((target) => {
      if ('job' in target) return [this.openJob(target.job)];
      const jobs = this.openJobs(target);
      if (jobs.length === 0) throw nothingOpen(target);
      return jobs;
    });
    const jobs = [...new Map(found.map((job) => [job.id, job])).values()];
    const waiting = jobs.filter(({ queued }) => queued);
    const event = { type: 'job.promoted', by: who, why } as const;
    // Each promotion moves its job to the head, so the last job is promoted first.
    await this.submit([...waiting].reverse().map(({ id }) => submissionFor(id, event)));
    const notWaiting = jobs.filter((job) => !waiting.includes(job));
    return { promoted: waiting.map(referenceOf), notWaiting: notWaiting.map(referenceOf) };
  }

  /**
   * Acts like a recheck comment to this CI alone. Rules match Gerrit accounts, not operators: an operator whose name
   * equals an account's (the daemon's user often has the name of our account) must not match as that account.
   */
  private async recheck(change: number, operator: Operator): Promise<OperatorAnswers['recheck']> {
    const { admission, clock } = this.options;
    this.assertStarting();
    const patchset = await this.find(change, null);
    const by = { username: '', name: displayName(operator), email: '' };
    const event = {
      type: 'comment-added',
      at: clock.now(),
      patchset,
      wip: false,
      private: false,
      by,
      comment: `run-${admission.settings.rules.account}`,
      approvals: [],
    } as const;
    const outcomes = await admission.admit(event, operator.why);
    return {
      begun: outcomes.flatMap(({ begun }) => (begun === null ? [] : [{ ...begun, ...nameOf(patchset) }])),
      decisions: outcomes.map(({ decision }) => `${decision.do}: ${decision.why}`),
    };
  }

  private async acknowledge(
    name: Extract<OperatorRequest, { do: 'acknowledge' }>['alarm'],
    { who, why }: Operator,
  ): Promise<OperatorAnswers['acknowledge']> {
    const { store, clock } = this.options;
    const alarm = name === null ? null : this.alarm(name);
    const open = (alarm === null ? store.alarms(ALARMS_LIMIT) : [alarm]).some(
      ({ acknowledgedAt }) => acknowledgedAt === null,
    );
    if (!open) return { acknowledged: 0 };
    const named = alarm === null ? null : { kind: alarm.kind, target: alarm.target };
    return { acknowledged: store.acknowledge(named, clock.now(), who, why) };
  }

  private alarm({ kind, target }: { readonly kind: string; readonly target: string }): AlarmView {
    const found = this.options.store.lastAlarm(kind as AlarmView['kind'], target);
    if (found !== null) return found;
    throw new Refused('unknown', `there is no alarm ${kind} ${target}`, 'list them: sos-ci alarms');
  }

  private assertStarting(): void {
    if (this.options.admission.starts) return;
    throw new Refused('refused', 'this daemon only monitors', 'start one without --monitor-only');
  }

  private async find(change: number, patchset: number | null): Promise<Patchset> {
    const found = await this.options.findPatchset(change, patchset);
    if (found !== null) return found;
    const what = patchset === null ? `change ${change}` : `patchset ${change},${patchset}`;
    throw new Refused('unknown', `Gerrit shows no ${what} to our account`, 'check the number');
  }

  /** The job's current view. @throws Refused when it has ended or does not exist */
  private openJob(id: string): JobView {
    const job = this.options.store.job(id);
    if (job === null) throw new Refused('unknown', `there is no job ${id}`, 'list them: sos-ci jobs --open');
    if (!job.ended) return job;
    const verdict = job.verdict ?? job.state;
    throw new Refused(
      'refused',
      `job ${id} has ended: ${verdict}`,
      `run it again: sos-ci recheck ${job.change}`,
    );
  }

  /** In the order in which they were accepted. */
  private openJobs({ change, patchset }: Extract<Target, { change: number }>): readonly JobView[] {
    const jobs = this.options.store.jobs({ open: true, change, limit: JOBS_LIMIT });
    return jobs.filter((job) => patchset === null || job.patchset === patchset).reverse();
  }

  private jobsOf({ change, patchset }: Patchset): readonly JobView[] {
    return this.openJobs({ change, patchset }).filter(({ cleaningUp }) => !cleaningUp);
  }

  private async submit(submissions: readonly Submission[]): Promise<void> {
    if (submissions.length > 0) await this.options.engine.submit(submissions);
  }
}

function nameOf({ change, patchset }: Patchset) {
  return { change, patchset };
}

function referenceOf({ id, name, state, change, patchset }: JobView): JobReference {
  return { id, name, state, change, patchset };
}

/** The name under which started work is counted and shown. */
function displayName({ who }: Operator): string {
  return `${who} (operator)`;
}

function reasonSuffix({ why }: Operator): string {
  return why === '' ? '' : `: ${why}`;
}

function nothingOpen({ change, patchset }: Extract<Target, { change: number }>): Refused {
  const what = patchset === null ? `change ${change}` : `patchset ${change},${patchset}`;
  return new Refused('unknown', `no job of ${what} is open`, 'list them: sos-ci jobs --open');
}

function alreadyRunningError(jobs: readonly JobView[]): Refused {
  const named = jobs.map(({ id, name, state }) => `${name} (${id}, ${state})`).join(', ');
  const hint = 'wait for it, or end it first: sos-ci dequeue JOB';
  return new Refused('refused', `already under way on this patchset: ${named}`, hint);
}
