/**
 * Why an event may start a job: it is a new patchset, a comment requests it, a vote was cast. One comment can be
 * several of these; a job uses the first that applies.
 */

import type { TriggerKind } from '../../model/domain.ts';
import type { GerritEvent } from '../../model/gerrit-event.ts';
import { type Accounts, nameOf, whyCi } from './account.ts';
import { isRecheck, isRunCommand, matchingPattern } from './recheck-comment.ts';
import type { Finding } from './rule-names.ts';
import { type CommentEvent, fits, type VoteRule, votesCast, voteText } from './vote.ts';

/** What started a review. */
export interface StartCause {
  readonly kind: TriggerKind;
  /** Who caused it: the user name if Gerrit sent one. */
  readonly by: string;
  /** Time by Gerrit's clock; epoch ms. */
  readonly at: number;
  readonly why: string;
}

/** The cause id of a new patchset. */
export const CREATED = 'created';

/** Events that may start a job. */
export type StartingEvent = Extract<
  GerritEvent,
  { type: 'patchset-created' | 'change-ready' | 'change-restored' | 'comment-added' }
>;

export interface Cause extends Finding {
  readonly kind: TriggerKind;
  /**
   * The same for the same cause on one patchset, so that it starts at most once. Callers distinguish repeated equal
   * comments by a sequence number and never by their second, because the stream and a query give different ones.
   */
  readonly id: string;
}

export interface CauseRules extends Accounts {
  /** False: a plain `recheck` is for other CIs. */
  readonly recheck: boolean;
}

/** The causes that a job adds. */
export interface JobCauses {
  /** Patterns in comments. */
  readonly comments: readonly string[];
  readonly votes: readonly VoteRule[];
}

/** Why the event may start the job, the best reason first, or why it may not. */
export function causesOf(
  event: StartingEvent,
  rules: CauseRules,
  job: JobCauses,
): readonly [Cause, ...Cause[]] | Finding {
  if (event.type === 'comment-added') return commentCauses(event, rules, job);
  const ci = whyCi(event.by, rules);
  if (ci !== null) return { rule: 'ci-account', why: ci };
  switch (event.type) {
    case 'patchset-created':
      return [{ kind: 'patchset', id: CREATED, ...patchsetFinding(event) }];
    case 'change-ready':
      // The same cause id as the patchset's: a patchset that was already tested is not tested again.
      return [{ kind: 'ready', rule: 'ready', id: CREATED, why: 'the change is ready' }];
    case 'change-restored':
      return [{ kind: 'restored', rule: 'restored', id: 'restored', why: 'the change was restored' }];
  }
}

function patchsetFinding({ movedFrom }: Extract<StartingEvent, { type: 'patchset-created' }>): Finding {
  if (movedFrom === undefined) return { rule: 'patchset', why: 'new patchset' };
  return { rule: 'moved', why: `the change was moved from branch ${movedFrom}` };
}

/** True when a comment requests a run of this CI, whether or not the rules let it start. */
export function requestsRun(event: StartingEvent, rules: CauseRules, jobs: readonly JobCauses[]): boolean {
  if (event.type !== 'comment-added') return false;
  const names = ownNames(rules);
  return textsOf(event).some(
    (text) =>
      (rules.recheck && isRecheck(text)) ||
      isRunCommand(text, names) ||
      jobs.some(({ comments }) => matchingPattern(text, comments) !== null),
  );
}

function textsOf({ comment, parts }: CommentEvent): readonly string[] {
  return parts ?? [comment];
}

function ownNames({ account, name }: CauseRules): readonly string[] {
  return name === null ? [account] : [account, name];
}

function commentCauses(
  event: CommentEvent,
  rules: CauseRules,
  job: JobCauses,
): readonly [Cause, ...Cause[]] | Finding {
  const ci = whyCi(event.by, rules, event.tag);
  const [first, ...others] = [
    ...(ci === null ? requestCauses(event, rules, job) : []),
    ...voteCauses(event, job),
  ];
  if (first !== undefined) return [first, ...others];
  if (ci !== null) return { rule: 'ci-account', why: ci };
  return { rule: 'comment', why: 'a comment that requests nothing' };
}

function requestCauses(event: CommentEvent, rules: CauseRules, job: JobCauses): readonly Cause[] {
  const who = nameOf(event.by);
  const requested = (rule: 'recheck' | 'run-ci' | 'comment', why: string): Cause => {
    return { kind: 'recheck', rule, id: `${rule}:${who}`, why };
  };
  const names = ownNames(rules);
  const texts = textsOf(event);
  const pattern =
    texts.map((text) => matchingPattern(text, job.comments)).find((found) => found !== null) ?? null;
  return [
    ...(rules.recheck && texts.some(isRecheck) ? [requested('recheck', `recheck by ${who}`)] : []),
    ...(texts.some((text) => isRunCommand(text, names))
      ? [requested('run-ci', `${who} requests a run of this CI`)]
      : []),
    ...(pattern === null ? [] : [requested('comment', `${who} wrote a comment that matches ${pattern}`)]),
  ];
}

function voteCauses(event: CommentEvent, job: JobCauses): readonly Cause[] {
  const { by } = event;
  const who = nameOf(by);
  const wanted = votesCast(event).filter((vote) => job.votes.some((rule) => fits(vote, by, rule)));
  return wanted.map((vote) => {
    const text = voteText(vote);
    return { kind: 'vote', rule: 'vote', id: `vote:${who}:${text}`, why: `${who} voted ${text}` };
  });
}
