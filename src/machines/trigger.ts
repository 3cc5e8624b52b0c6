/**
 * What an event of Gerrit's means for us: start, supersede, cancel, tell a vote or ignore, always with the rule that decided it
 * and a reason. Pure: rules and open reviews come in, decisions go out. The rules themselves are in rules/, one noun a file.
 */
import type { GerritEvent } from './gerrit-event.ts';
import { isOurs, nameOf } from './rules/account.ts';
import { type Cause, type CauseRules, CREATED, type StartingEvent } from './rules/cause.ts';
import { votesFor } from './rules/hold.ts';
import { type JobFinding, type JobRules, judgeJob } from './rules/job.ts';
import type { StartLimits } from './rules/limit.ts';
import { type SupersedeMode, superseded } from './rules/supersede.ts';
import { voteText } from './rules/vote.ts';
import type { Finding } from './rules/word.ts';
import {
  assertNever,
  type HoldSpec,
  type Patchset,
  type StandingVote,
  type TriggerKind,
} from './vocabulary.ts';

export interface TriggerRules extends CauseRules {
  readonly jobs: readonly JobRules[];
  /** Changes that are work in progress, or private, are tested too. */
  readonly wip: boolean;
  readonly private: boolean;
  /** What may be started in an hour; asked by whoever counts. */
  readonly limits: StartLimits;
  /** What a newer patchset ends. */
  readonly supersede: SupersedeMode;
}

/** A review of ours on the same change that has not ended. */
export interface OpenReview {
  readonly id: string;
  readonly patchset: number;
  /** False: its jobs have handed over, and only its comment or vote is on the way. People answer to that already. */
  readonly testing: boolean;
  /** True when any of its jobs has left the queue. */
  readonly begun?: boolean;
  /** The vote that it may still wait for. */
  readonly hold?: HoldSpec | null;
}

export interface Start extends Finding {
  readonly do: 'start';
  readonly patchset: Patchset;
  /** Names of the jobs. */
  readonly jobs: readonly string[];
  /** The same for the same cause, so that it starts at most once. */
  readonly trigger: string;
  readonly kind: TriggerKind;
  /** Whose doing it is, and when that was: epoch ms, 0 when not told. */
  readonly by: string;
  readonly at: number;
  /** The vote that is waited for first. */
  readonly hold: HoldSpec | null;
}

export type Decision =
  | Start
  | (Finding & { readonly do: 'supersede'; readonly review: string; readonly by: string })
  | (Finding & { readonly do: 'cancel'; readonly review: string })
  | (Finding & { readonly do: 'tell'; readonly review: string; readonly vote: StandingVote })
  | (Finding & { readonly do: 'ignore' });

/** The decisions, and what each job made of the event; no jobs: none was asked. */
export interface Explanation {
  readonly decisions: readonly Decision[];
  readonly jobs: readonly JobFinding[];
}

export function decide(
  event: GerritEvent,
  rules: TriggerRules,
  open: readonly OpenReview[],
): readonly Decision[] {
  return explain(event, rules, open).decisions;
}

export function explain(event: GerritEvent, rules: TriggerRules, open: readonly OpenReview[]): Explanation {
  switch (event.type) {
    case 'patchset-created':
    case 'change-ready':
    case 'change-restored':
    case 'comment-added':
      return onPatchset(event, rules, open);
    case 'change-abandoned':
      return only(cancelAll(open, 'the change was abandoned'));
    case 'change-merged':
      return only(cancelAll(open, 'the change was merged'));
    case 'change-deleted':
      return only(cancelAll(open, 'the change was deleted'));
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

function onPatchset(event: StartingEvent, rules: TriggerRules, open: readonly OpenReview[]): Explanation {
  if (isOurs(event.by, rules)) {
    const why = event.type === 'comment-added' ? 'our own comment' : 'done by our own account';
    return only([...overtaken(event, rules, open), ignore({ rule: 'own-account', why })]);
  }
  const jobs = rules.jobs.map((job) => judgeJob(event, rules, job));
  const start = startOf(event, rules, jobs);
  const outcome =
    start === null ? ignore(against(event, jobs)) : ignoreOr(start, whyNotNow(event, rules, open));
  // A patchset that is passed over as no real change leaves the test of the one before it what it is.
  const moved = outcome.rule === 'kind' ? [] : overtaken(event, rules, open, start !== null);
  return { decisions: [...tellVotes(event, open), ...moved, outcome], jobs };
}

/** What the jobs that want to run begin together, or null. */
function startOf(event: StartingEvent, rules: TriggerRules, found: readonly JobFinding[]): Start | null {
  const cause = found.find((finding) => finding.cause !== null)?.cause ?? null;
  if (cause === null) return null;
  const { patchset, by, at } = event;
  const jobs = found.filter((finding) => finding.cause !== null).map(({ job }) => job);
  return {
    do: 'start',
    patchset,
    jobs,
    trigger: triggerName(patchset, cause.id),
    kind: cause.kind,
    by: nameOf(by),
    at,
    hold: holdOf(cause, rules, jobs),
    rule: cause.rule,
    why: cause.why,
  };
}

function triggerName({ project, change, patchset }: Patchset, cause: string): string {
  return `${project}~${change},${patchset}:${cause}`;
}

/** Of what a patchset itself starts, whether it came to be seen at once or later. */
export function createdTrigger(patchset: Patchset): string {
  return triggerName(patchset, CREATED);
}

/** Who asks for a run, or votes for one, does not wait. Jobs of one review wait for the same vote (the configuration sees to it). */
function holdOf({ kind }: Cause, rules: TriggerRules, names: readonly string[]): HoldSpec | null {
  if (kind === 'recheck' || kind === 'vote') return null;
  return rules.jobs.find(({ name, hold }) => names.includes(name) && hold !== null)?.hold ?? null;
}

/** The reason of the job that came furthest; it is named when there are others. */
function against({ patchset }: StartingEvent, found: readonly JobFinding[]): Finding {
  const furthest = [...found].sort((a, b) => b.passed - a.passed)[0];
  if (furthest === undefined || furthest.rule === 'project') {
    return { rule: 'project', why: `no job is for ${patchset.project}` };
  }
  const alike =
    found.every(({ why }) => why === furthest.why) ||
    furthest.rule === 'comment' ||
    furthest.rule === 'ci-account';
  return { rule: furthest.rule, why: alike ? furthest.why : `job ${furthest.job}: ${furthest.why}` };
}

/** What is against any start at this moment. */
function whyNotNow(event: StartingEvent, rules: TriggerRules, open: readonly OpenReview[]): Finding | null {
  const { patchset } = event.patchset;
  const newer = open.find((review) => review.patchset > patchset);
  if (newer !== undefined) {
    return { rule: 'newer-patchset', why: `patchset ${newer.patchset} is being tested` };
  }
  if (event.wip && !rules.wip) return { rule: 'wip', why: 'work in progress' };
  if (event.private && !rules.private) return { rule: 'private', why: 'private' };
  if (open.some((review) => review.testing && review.patchset === patchset)) {
    return { rule: 'running', why: 'this patchset is being tested' };
  }
  return null;
}

/** Reviews of older patchsets, when somebody uploaded a newer one or asks for it: nobody waits for them any more. */
function overtaken(
  event: StartingEvent,
  rules: TriggerRules,
  open: readonly OpenReview[],
  asked = false,
): readonly Decision[] {
  if (event.type === 'comment-added' && !asked) return [];
  const by = `${event.patchset.change},${event.patchset.patchset}`;
  return superseded(open, event.patchset.patchset, rules.supersede).map(({ id }): Decision => {
    return { do: 'supersede', review: id, by, rule: 'superseded', why: `patchset ${by} is newer` };
  });
}

function tellVotes(event: StartingEvent, open: readonly OpenReview[]): readonly Decision[] {
  if (event.type !== 'comment-added') return [];
  return open.flatMap(({ id, patchset, hold = null }) => {
    if (hold === null || patchset !== event.patchset.patchset) return [];
    return votesFor(hold, event).map((vote): Decision => {
      const why = `${vote.account} voted ${voteText(vote)}`;
      return { do: 'tell', review: id, vote, rule: 'after', why };
    });
  });
}

function cancelAll(open: readonly OpenReview[], why: string): readonly Decision[] {
  if (open.length === 0) return [ignore({ rule: 'closed', why: `${why}; nothing of ours is open` })];
  return open.map(({ id }): Decision => ({ do: 'cancel', review: id, rule: 'closed', why }));
}

function ignoreOr(start: Start, why: Finding | null): Decision {
  return why === null ? start : ignore(why);
}

function ignore({ rule, why }: Finding): Decision {
  return { do: 'ignore', rule, why };
}

function only(decisions: readonly Decision[]): Explanation {
  return { decisions, jobs: [] };
}
