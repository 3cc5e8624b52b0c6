/**
 * Applies the rules of one job to an event, in order: the first rule that rejects the event decides. Checks that need a
 * query to Gerrit (the files, whether the change is still open) are left to the review.
 */

import type { RequiredVote, TriggerKind } from '../../model/domain.ts';
import type { CurrentChange } from '../../model/gerrit-event.ts';
import { type PeopleRule, whyNot } from './account.ts';
import { type Cause, type CauseRules, causesOf, type JobCauses, type StartingEvent } from './cause.ts';
import { matchesAny } from './glob.ts';
import { type KindRule, whyNotKind } from './patchset-kind.ts';
import type { Finding, RuleName } from './rule-names.ts';

export interface JobRules extends JobCauses {
  readonly name: string;
  /** Patterns, like branches, topics and hashtags: `*` matches any run of characters. */
  readonly projects: readonly string[];
  readonly branches: readonly string[];
  readonly triggers: readonly TriggerKind[];
  /** Empty: every topic, and changes without one; the same for hashtags. */
  readonly topics: readonly string[];
  readonly hashtags: readonly string[];
  readonly kinds: KindRule;
  readonly uploaders: PeopleRule;
  readonly authors: PeopleRule;
  readonly commenters: PeopleRule;
  /** The vote that the job waits for unless the run was requested; null: none. */
  readonly requiredVote: RequiredVote | null;
}

/** The finding for one job. */
export interface JobFinding extends Finding {
  readonly job: string;
  /** Why the job starts; null: `rule` rejects it. */
  readonly cause: Cause | null;
  /** Number of rules passed: the higher, the more informative the reason. */
  readonly passed: number;
}

/** Rules in the order of evaluation. The cause is checked between the two lists. */
const BEFORE_CAUSE = [project, branch] as const;
const AFTER_CAUSE = [topic, hashtag, kind, uploader, author, commenter] as const;

export function judgeJob(event: StartingEvent, rules: CauseRules, job: JobRules): JobFinding {
  for (const [passed, rule] of BEFORE_CAUSE.entries()) {
    const against = rule(event, job);
    if (against !== null) return refused(job, against, passed);
  }
  const causes = causesOf(event, rules, job);
  if (!isCauses(causes)) return refused(job, causes, BEFORE_CAUSE.length);
  const wanted = causes.filter(({ kind }) => job.triggers.includes(kind));
  // A vote starts the job even if its comment requests a run that `commenters` rejects.
  const cause = wanted.find((one) => commenter(event, job, one) === null) ?? wanted[0];
  if (cause === undefined) {
    const why = `it is started by ${job.triggers.join(', ') || 'nothing'}, not by ${causes[0].kind}`;
    return refused(job, { rule: 'trigger', why }, BEFORE_CAUSE.length + 1);
  }
  for (const [passed, rule] of AFTER_CAUSE.entries()) {
    const against = rule(event, job, cause);
    if (against !== null) return refused(job, against, BEFORE_CAUSE.length + 2 + passed);
  }
  return { job: job.name, cause, rule: cause.rule, why: cause.why, passed: Number.POSITIVE_INFINITY };
}

/** Why a job does not apply to the current change; null: it does. Ignores the kind of patchset and the files. */
export function whyNotFor(change: CurrentChange, job: JobRules): Finding | null {
  const event = { ...change, type: 'patchset-created', at: 0, by: change.uploader } as const;
  for (const rule of [...BEFORE_CAUSE, topic, hashtag, uploader, author]) {
    const against = rule(event, job);
    if (against !== null) return against;
  }
  return null;
}

/** The reason of the job that passed the most rules, with its name if the jobs differ. */
export function bestReason({ patchset }: StartingEvent, found: readonly JobFinding[]): Finding {
  const furthest = [...found].sort((a, b) => b.passed - a.passed)[0];
  if (furthest === undefined || furthest.rule === 'project') {
    return { rule: 'project', why: `no job tests ${patchset.project}` };
  }
  const alike =
    found.every(({ why }) => why === furthest.why) ||
    furthest.rule === 'comment' ||
    furthest.rule === 'ci-account';
  return { rule: furthest.rule, why: alike ? furthest.why : `job ${furthest.job}: ${furthest.why}` };
}

function isCauses(causes: ReturnType<typeof causesOf>): causes is readonly [Cause, ...Cause[]] {
  return Array.isArray(causes);
}

function refused(job: JobRules, { rule, why }: Finding, passed: number): JobFinding {
  return { job: job.name, cause: null, rule, why, passed };
}

function project({ patchset }: StartingEvent, { projects }: JobRules): Finding | null {
  return unless(matchesAny(projects, patchset.project), 'project', `it is not for ${patchset.project}`);
}

function branch({ patchset }: StartingEvent, { branches }: JobRules): Finding | null {
  return unless(matchesAny(branches, patchset.branch), 'branch', `it is not for branch ${patchset.branch}`);
}

function topic({ patchset }: StartingEvent, { topics }: JobRules): Finding | null {
  const why = patchset.topic === '' ? 'the change has no topic' : `it is not for topic ${patchset.topic}`;
  return unless(topics.length === 0 || matchesAny(topics, patchset.topic), 'topic', why);
}

function hashtag({ hashtags: tags = [] }: StartingEvent, { hashtags }: JobRules): Finding | null {
  const wanted = hashtags.length === 0 || tags.some((tag) => matchesAny(hashtags, tag));
  return unless(wanted, 'hashtag', `the change has none of the hashtags ${hashtags.join(', ')}`);
}

/** A requested run ignores the kind of the patchset. */
function kind(event: StartingEvent, { kinds }: JobRules): Finding | null {
  return event.type === 'patchset-created' ? against('kind', whyNotKind(event.kind, kinds)) : null;
}

function uploader(event: StartingEvent, { uploaders }: JobRules): Finding | null {
  return against('uploader', whyNot(event.uploader, uploaders));
}

function author(event: StartingEvent, { authors }: JobRules): Finding | null {
  return against('author', whyNot(event.author, authors));
}

/** Vote rules have their own list of accounts. */
function commenter(event: StartingEvent, { commenters }: JobRules, cause: Cause): Finding | null {
  return cause.kind === 'recheck' ? against('commenter', whyNot(event.by, commenters)) : null;
}

function unless(holds: boolean, rule: RuleName, why: string): Finding | null {
  return holds ? null : { rule, why };
}

function against(rule: RuleName, why: string | null): Finding | null {
  return why === null ? null : { rule, why };
}
