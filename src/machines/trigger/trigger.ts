/**
 * What a Gerrit event causes: start, defer, supersede, cancel, forward a vote or ignore, always with the rule that
 * decided it and a reason. Pure: rules and facts are inputs, decisions are the output. The daemon and `sos-ci explain`
 * call the same functions. Each rule is in a file in rules/.
 */

import {
  type AccountVote,
  assertNever,
  type Patchset,
  type RequiredVote,
  type TriggerKind,
} from '../model/domain.ts';
import type { GerritEvent } from '../model/gerrit-event.ts';
import { judgeJobs } from './judge-jobs.ts';
import { vetoOf } from './novelty.ts';
import { isOurs, nameOf } from './rules/account.ts';
import { type Cause, type CauseRules, CREATED, requestsRun, type StartingEvent } from './rules/cause.ts';
import { bestReason, type JobFinding, type JobRules } from './rules/job-matcher.ts';
import { countsOf, type Delay, exceeded, MAX_WAITING_CHANGES, type StartLimits } from './rules/rate-limit.ts';
import type { Finding } from './rules/rule-names.ts';
import { type SupersedeMode, superseded } from './rules/supersede.ts';
import { availableTriggerKey } from './rules/trigger-key.ts';
import { votesFor, voteText } from './rules/vote.ts';
import type { OpenReview, TriggerFacts, WaitingStart } from './trigger-facts.ts';

export interface TriggerRules extends CauseRules {
  readonly jobs: readonly JobRules[];
  /** True: work-in-progress and private changes are tested too. */
  readonly wip: boolean;
  readonly private: boolean;
  /** Starts per hour. */
  readonly limits: StartLimits;
  /** Which older reviews a newer patchset ends. */
  readonly supersede: SupersedeMode;
}

export interface Start extends Finding {
  readonly do: 'start';
  readonly patchset: Patchset;
  /** Job names. */
  readonly jobs: readonly string[];
  /** The same for the same cause, so that it starts at most once. */
  readonly trigger: string;
  readonly kind: TriggerKind;
  /** Who caused it, and when: epoch ms, 0 if unknown. A delayed start counts from its actual start. */
  readonly by: string;
  readonly at: number;
  /** The vote to wait for first. */
  readonly requiredVote: RequiredVote | null;
}

export type Decision =
  | Start
  /** A limit is reached: the start waits and replaces the change's earlier delayed start. */
  | (Delay & { readonly do: 'defer'; readonly start: Start })
  /** The change's delayed start is dropped. */
  | (Finding & { readonly do: 'drop' })
  | (Finding & { readonly do: 'supersede'; readonly review: string; readonly by: string })
  | (Finding & { readonly do: 'cancel'; readonly review: string })
  | (Finding & { readonly do: 'forward'; readonly review: string; readonly vote: AccountVote })
  /** `findAgain`: it should start but the waiting list is full, so the event must not count as seen. */
  | (Finding & { readonly do: 'ignore'; readonly findAgain?: true });

/** The decisions, and the finding for each job; no jobs: none was checked. */
export interface Explanation {
  readonly decisions: readonly Decision[];
  readonly jobs: readonly JobFinding[];
  /** The event requests a run of this CI: if it is ignored, people must be able to see why. */
  readonly isRequest: boolean;
}

/** A reload may remove jobs of a delayed start. */
const JOBS_REMOVED: Finding = { rule: 'project', why: 'its jobs are no longer configured' };

export function decide(event: GerritEvent, rules: TriggerRules, facts: TriggerFacts): readonly Decision[] {
  return explain(event, rules, facts).decisions;
}

export function explain(event: GerritEvent, rules: TriggerRules, facts: TriggerFacts): Explanation {
  const veto = vetoOf(facts.novelty);
  if (veto !== null) return only([ignore(veto)]);
  switch (event.type) {
    case 'patchset-created':
    case 'change-ready':
    case 'change-restored':
    case 'comment-added':
      return onPatchset(event, rules, facts);
    case 'change-abandoned':
      return only(cancelAll(facts, 'the change was abandoned'));
    case 'change-merged':
      return only(cancelAll(facts, 'the change was merged'));
    case 'change-deleted':
      return only(cancelAll(facts, 'the change was deleted'));
    case 'change-incomplete':
      return only([ignore({ rule: 'event', why: 'Gerrit left out the patchset; the change is looked up' })]);
    case 'dropped-output':
      return only([ignore({ rule: 'event', why: 'Gerrit lost events for us' })]);
    case 'other':
      return only([ignore({ rule: 'event', why: `${event.name} starts nothing` })]);
    default:
      return assertNever(event);
  }
}

/** Decides whether a delayed start begins now. Empty: it keeps waiting. */
export function resume(
  { start: held }: WaitingStart,
  rules: TriggerRules,
  facts: TriggerFacts,
): readonly Decision[] {
  const newer = newerThan(held.patchset, facts.open);
  if (newer !== null) return [drop(newer)];
  const known = configured(held.jobs, rules);
  const jobs = notRunning(known, held.patchset, facts.open);
  if (jobs.length === 0) {
    const finding = { rule: 'running', why: 'this patchset is being tested' } as const;
    return [drop(known.length > 0 ? finding : JOBS_REMOVED)];
  }
  const decisions = admit({ ...held, jobs, at: facts.now }, rules, {
    ...facts,
    waiting: null,
    waitingChanges: 0,
  });
  const [last] = decisions.slice(-1);
  if (last?.do === 'defer') return [];
  return last?.do === 'ignore' ? [drop(last)] : decisions;
}

function onPatchset(event: StartingEvent, rules: TriggerRules, facts: TriggerFacts): Explanation {
  if (isOurs(event.by, rules)) {
    const why = event.type === 'comment-added' ? 'our own comment' : 'done by our own account';
    return only([...endOutdated(event, rules, facts), ignore({ rule: 'own-account', why })]);
  }
  const jobs = judgeJobs(event, rules, facts);
  const left =
    event.type === 'patchset-created' && event.movedFrom !== undefined
      ? reviewsOfOldBranch(event, facts)
      : [];
  const decisions = [
    ...left.map((review) => supersede(review, event.patchset, movedTo(event.patchset))),
    ...forwardVotes(event, facts.open),
    ...decideStart(event, rules, without(facts, left), jobs),
  ];
  return {
    decisions,
    jobs,
    isRequest: jobs.some(({ passed }) => passed > 0) && requestsRun(event, rules, rules.jobs),
  };
}

function decideStart(
  event: StartingEvent,
  rules: TriggerRules,
  facts: TriggerFacts,
  found: readonly JobFinding[],
): readonly Decision[] {
  const start = startOf(event, facts.number, rules, found);
  if (start === null) {
    const finding = bestReason(event, found);
    // A patchset that is skipped by its kind is not a real change, so the test of the previous one stays valid.
    const moved = finding.rule === 'kind' ? carryOver(event, rules, facts) : endOutdated(event, rules, facts);
    return [...moved, ignore(finding)];
  }
  const finding = whyNotNow(event, start, rules, facts);
  const decisions =
    finding === null ? admit(withDelayedJobs(start, rules, facts), rules, facts) : [ignore(finding)];
  // A deferred or findAgain start has not begun, so it ends no older reviews.
  const last = decisions.at(-1);
  const refused = last?.do === 'ignore' && last.findAgain !== true;
  return refused ? [...endOutdated(event, rules, facts), ...decisions] : decisions;
}

/** The last step of every start: earlier starts, limits, and the reviews to supersede. */
function admit(wanted: Start, rules: TriggerRules, facts: TriggerFacts): readonly Decision[] {
  const trigger = availableTriggerKey(facts.startResult, wanted);
  if (trigger === null) return [ignore({ rule: 'started', why: 'the same cause has started it before' })];
  const start = { ...wanted, trigger };
  const ended = superseded(facts.open, start.patchset.patchset, rules.supersede);
  const delay = delayOf(start, ended, rules, facts);
  if (delay === null) return [...ended.map((review) => supersede(review, start.patchset)), start];
  if (facts.waiting === null && facts.waitingChanges >= MAX_WAITING_CHANGES) {
    const why = `${delay.why}, and ${facts.waitingChanges} changes wait already`;
    return [{ ...ignore({ rule: 'waiting-full', why }), findAgain: true }];
  }
  return [{ ...delay, do: 'defer', start }];
}

/** Why the start must wait; null: it may begin. Reviews that it ends do not count. */
function delayOf(
  { patchset: { project, change }, by, at, jobs }: Start,
  ended: readonly OpenReview[],
  { limits }: TriggerRules,
  facts: TriggerFacts,
): Delay | null {
  const { starts, now, openJobs, queueLength } = without(facts, ended);
  const subject = { project, change, by };
  const delay = exceeded(limits, countsOf(starts(at === 0 ? now : at), subject), subject);
  if (delay !== null) return delay;
  // A start with more jobs than the queue holds begins when the queue is empty. Otherwise it would wait forever.
  if (openJobs <= 0 || openJobs + jobs.length <= queueLength) return null;
  return { rule: 'queue-full', target: 'all', why: `${openJobs} jobs are open` };
}

/** The facts after these reviews are superseded. */
function without(facts: TriggerFacts, ended: readonly OpenReview[]): TriggerFacts {
  const gone = ended.filter((review) => review.jobs.length > 0);
  return {
    ...facts,
    open: facts.open.filter((review) => !ended.includes(review)),
    openJobs: facts.openJobs - gone.reduce((sum, review) => sum + review.jobs.length, 0),
    starts: (until) => facts.starts(until).filter(({ review }) => !gone.some(({ id }) => id === review)),
  };
}

/** Reviews for the branch from which the change was moved. */
function reviewsOfOldBranch({ patchset }: StartingEvent, { open }: TriggerFacts): readonly OpenReview[] {
  return open.filter(({ branch }) => branch !== patchset.branch);
}

/**
 * Removes the jobs that already run, and adds those that wait for the same patchset. A requested run does not wait for
 * a vote.
 */
function withDelayedJobs(start: Start, rules: TriggerRules, { waiting, open }: TriggerFacts): Start {
  const { patchset } = start;
  const same = waiting !== null && isSamePatchset(waiting.start.patchset, patchset) ? waiting.start : null;
  const delayed = configured(same?.jobs ?? [], rules);
  const jobs = notRunning([...new Set([...delayed, ...start.jobs])], patchset, open);
  return {
    ...start,
    jobs,
    requiredVote: same !== null && same.requiredVote === null ? null : start.requiredVote,
  };
}

/** One start for all jobs that the event starts, or null. */
function startOf(
  event: StartingEvent,
  number: number,
  rules: TriggerRules,
  found: readonly JobFinding[],
): Start | null {
  const cause = found.find((finding) => finding.cause !== null)?.cause ?? null;
  if (cause === null) return null;
  const { patchset, by, at } = event;
  const jobs = found.filter((finding) => finding.cause !== null).map(({ job }) => job);
  // A trigger starts once, but a comment may repeat the same text within the same second.
  const repeats = cause.id !== CREATED;
  return {
    do: 'start',
    patchset,
    jobs,
    trigger: triggerName(patchset, repeats ? `${cause.id}#${number}` : cause.id),
    kind: cause.kind,
    by: nameOf(by),
    at,
    requiredVote: requiredVoteOf(cause, rules, jobs),
    rule: cause.rule,
    why: cause.why,
  };
}

function triggerName({ project, change, patchset }: Patchset, cause: string): string {
  return `${project}~${change},${patchset}:${cause}`;
}

/** The trigger of a new patchset, also when it is found later. */
export function createdTrigger(patchset: Patchset): string {
  return triggerName(patchset, CREATED);
}

/**
 * A run that a comment or vote requests does not wait. Jobs of one review wait for the same vote; the configuration's
 * check requires it.
 */
function requiredVoteOf({ kind }: Cause, rules: TriggerRules, names: readonly string[]): RequiredVote | null {
  if (kind === 'recheck' || kind === 'vote') return null;
  return (
    rules.jobs.find(({ name, requiredVote }) => names.includes(name) && requiredVote !== null)
      ?.requiredVote ?? null
  );
}

/** Why none of these jobs may start at this moment. */
function whyNotNow(
  event: StartingEvent,
  start: Start,
  rules: TriggerRules,
  { open, waiting }: TriggerFacts,
): Finding | null {
  const { patchset } = event;
  const newer = newerThan(patchset, open);
  if (newer !== null) return newer;
  if (waiting !== null && waiting.start.patchset.patchset > patchset.patchset) {
    const why = `patchset ${waiting.start.patchset.patchset} waits to be tested`;
    return { rule: 'newer-patchset', why };
  }
  if (event.wip && !rules.wip) return { rule: 'wip', why: 'work in progress' };
  if (event.private && !rules.private) return { rule: 'private', why: 'private' };
  if (notRunning(start.jobs, patchset, open).length > 0) return null;
  return { rule: 'running', why: 'this patchset is being tested' };
}

function newerThan({ patchset }: Patchset, open: readonly OpenReview[]): Finding | null {
  const newer = open.find((review) => review.patchset > patchset);
  if (newer === undefined) return null;
  return { rule: 'newer-patchset', why: `patchset ${newer.patchset} is being tested` };
}

/** The jobs that the configuration still has. */
function configured(names: readonly string[], { jobs }: TriggerRules): readonly string[] {
  return names.filter((name) => jobs.some((job) => job.name === name));
}

/** The jobs that no open review of the patchset runs. */
function notRunning(
  jobs: readonly string[],
  { patchset }: Patchset,
  open: readonly OpenReview[],
): readonly string[] {
  const running = open.filter((review) => review.patchset === patchset).flatMap((review) => review.jobs);
  return jobs.filter((job) => !running.includes(job));
}

function isSamePatchset(one: Patchset, other: Patchset): boolean {
  return one.patchset === other.patchset && one.branch === other.branch;
}

/** A newer patchset that does not start still ends the older reviews and the delayed start. */
function endOutdated(event: StartingEvent, rules: TriggerRules, facts: TriggerFacts): readonly Decision[] {
  if (event.type === 'comment-added') return [];
  const { patchset } = event;
  const ended = superseded(facts.open, patchset.patchset, rules.supersede);
  const waiting = facts.waiting?.start.patchset ?? patchset;
  const finding = waiting.branch === patchset.branch ? supersededBy(patchset) : movedTo(patchset);
  const outdated = waiting.patchset < patchset.patchset || finding.rule === 'moved';
  return [...ended.map((review) => supersede(review, patchset)), ...(outdated ? [drop(finding)] : [])];
}

/**
 * Moves the delayed start of an older patchset to a newer one that is no real change, because only the newer one is
 * current.
 */
function carryOver(
  { patchset }: StartingEvent,
  rules: TriggerRules,
  facts: TriggerFacts,
): readonly Decision[] {
  const start = facts.waiting?.start ?? null;
  if (start === null || start.patchset.patchset >= patchset.patchset) return [];
  const jobs = configured(start.jobs, rules);
  return jobs.length === 0 ? [drop(JOBS_REMOVED)] : admit({ ...start, patchset, jobs }, rules, facts);
}

function supersede({ id }: OpenReview, patchset: Patchset, finding = supersededBy(patchset)): Decision {
  return { do: 'supersede', review: id, by: `${patchset.change},${patchset.patchset}`, ...finding };
}

function movedTo({ branch }: Patchset): Finding {
  return { rule: 'moved', why: `the change was moved to branch ${branch}` };
}

function supersededBy({ change, patchset }: Patchset): Finding {
  return { rule: 'superseded', why: `patchset ${change},${patchset} is newer` };
}

function forwardVotes(event: StartingEvent, open: readonly OpenReview[]): readonly Decision[] {
  if (event.type !== 'comment-added') return [];
  return open.flatMap(({ id, patchset, requiredVote = null }) => {
    if (requiredVote === null || patchset !== event.patchset.patchset) return [];
    return votesFor(requiredVote, event).map((vote): Decision => {
      const why = `${vote.account} voted ${voteText(vote)}`;
      return { do: 'forward', review: id, vote, rule: 'require-vote', why };
    });
  });
}

function cancelAll({ open, waiting }: TriggerFacts, why: string): readonly Decision[] {
  const ends = [
    ...open.map(({ id }): Decision => ({ do: 'cancel', review: id, rule: 'closed', why })),
    ...(waiting === null ? [] : [drop({ rule: 'closed', why })]),
  ];
  return ends.length > 0 ? ends : [ignore({ rule: 'closed', why: `${why}; nothing of ours is open` })];
}

function ignore({ rule, why }: Finding): Extract<Decision, { do: 'ignore' }> {
  return { do: 'ignore', rule, why };
}

function drop({ rule, why }: Finding): Decision {
  return { do: 'drop', rule, why };
}

function only(decisions: readonly Decision[]): Explanation {
  return { decisions, jobs: [], isRequest: false };
}
