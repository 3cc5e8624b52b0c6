/**
 * The jobs of the current configuration, as input of the vote rule: which jobs vote, which apply to the current state
 * of a change, and which kinds of patchset they skip.
 */

import type { JobSpec } from '../../model/domain.ts';
import type { CurrentChange } from '../../model/gerrit-event.ts';
import type { ActiveJob } from '../../verdicts/vote-rule.ts';
import type { TriggerRules } from '../trigger.ts';
import { isOurs, whyCi } from './account.ts';
import { judgeFiles } from './files.ts';
import { type JobRules, whyNotFor } from './job-matcher.ts';

export interface JobConfiguration {
  readonly rules: TriggerRules;
  /** By job name. */
  readonly specs: ReadonlyMap<string, JobSpec>;
}

/** @param change null: it could not be read, and every job counts as applicable */
export function activeJobs(
  { rules, specs }: JobConfiguration,
  change: CurrentChange | null,
): readonly ActiveJob[] {
  return rules.jobs.flatMap((job) => {
    const spec = specs.get(job.name);
    if (spec === undefined) return [];
    const startsUnasked = change === null || startsAutomatically(job, spec, rules, change);
    return [{ name: job.name, voting: spec.voting, startsUnasked, kinds: job.kinds }];
  });
}

/** A trigger other than a comment starts the job, and its rules match the change. */
function startsAutomatically(
  job: JobRules,
  { files }: JobSpec,
  rules: TriggerRules,
  change: CurrentChange,
): boolean {
  if (job.triggers.every((trigger) => trigger === 'recheck')) return false;
  if (isOurs(change.uploader, rules) || whyCi(change.uploader, rules) !== null) return false;
  return whyNotFor(change, job) === null && judgeFiles(change.files, files).runs;
}
