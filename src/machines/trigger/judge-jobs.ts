/**
 * Applies the rules of all jobs to an event. A start ends the tests of older patchsets, so it includes the jobs of these
 * tests even if their `kinds` exclude the new patchset: otherwise they would have no verdict on either patchset.
 */

import type { StartingEvent } from './rules/cause.ts';
import { type JobFinding, judgeJob } from './rules/job-matcher.ts';
import { superseded } from './rules/supersede.ts';
import type { TriggerRules } from './trigger.ts';
import type { TriggerFacts } from './trigger-facts.ts';

const EVERY_KIND = { include: [], exclude: [] };

export function judgeJobs(
  event: StartingEvent,
  rules: TriggerRules,
  facts: TriggerFacts,
): readonly JobFinding[] {
  const found = rules.jobs.map((job) => judgeJob(event, rules, job));
  const ended = endedJobs(event, rules, facts);
  if (ended.length === 0 || found.every(({ cause }) => cause === null)) return found;
  return rules.jobs.map((job) =>
    judgeJob(event, rules, ended.includes(job.name) ? { ...job, kinds: EVERY_KIND } : job),
  );
}

/** The jobs whose test or delayed start on an older patchset ends if any job starts. */
function endedJobs(
  { patchset: { patchset } }: StartingEvent,
  { supersede }: TriggerRules,
  { open, waiting }: TriggerFacts,
): readonly string[] {
  const outdated = waiting !== null && waiting.start.patchset.patchset < patchset ? waiting.start.jobs : [];
  return [...superseded(open, patchset, supersede).flatMap(({ jobs }) => jobs), ...outdated];
}
