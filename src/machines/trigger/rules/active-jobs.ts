/**
 * The jobs of the configuration that is in force, as the vote's rule asks about them: which vote, which apply to a change
 * as it is now, and which kinds of patchset they pass over.
 */

import type { JobSpec } from '../../model/domain.ts';
import type { ChangeNow } from '../../model/gerrit-event.ts';
import type { JobInForce } from '../../verdicts/vote-rule.ts';
import type { TriggerRules } from '../trigger.ts';
import { isOurs, whyCi } from './account.ts';
import { judgeFiles } from './files.ts';
import { type JobRules, whyNotFor } from './job-matcher.ts';

export interface InForce {
  readonly rules: TriggerRules;
  /** By the name of the job. */
  readonly specs: ReadonlyMap<string, JobSpec>;
}

/** @param change null: it could not be read, and every job is taken to apply */
export function jobsInForce({ rules, specs }: InForce, change: ChangeNow | null): readonly JobInForce[] {
  return rules.jobs.flatMap((job) => {
    const spec = specs.get(job.name);
    if (spec === undefined) return [];
    const startsUnasked = change === null || startsWithoutBeingAsked(job, spec, rules, change);
    return [{ name: job.name, voting: spec.voting, startsUnasked, kinds: job.kinds }];
  });
}

/** Something other than a comment starts it, and the change is one that it is for. */
function startsWithoutBeingAsked(
  job: JobRules,
  { files }: JobSpec,
  rules: TriggerRules,
  change: ChangeNow,
): boolean {
  if (job.triggers.every((trigger) => trigger === 'recheck')) return false;
  if (isOurs(change.uploader, rules) || whyCi(change.uploader, rules) !== null) return false;
  return whyNotFor(change, job) === null && judgeFiles(change.files, files).runs;
}
