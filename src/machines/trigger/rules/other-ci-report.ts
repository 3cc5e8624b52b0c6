/**
 * Whether a comment is another CI's report where we should report too. People disable a CI that is silent while others
 * report, so sos-ci must detect its own silence first.
 */
import type { GerritEvent } from '../../model/gerrit-event.ts';
import { type Accounts, isOurs, whyCi } from './account.ts';
import { matchesAny } from './glob.ts';
import type { JobRules } from './job-matcher.ts';

/** A comment by another CI, on a change whose project and branch any of our jobs matches. */
export function isReportOfOthers(
  event: GerritEvent,
  rules: Accounts & { readonly jobs: readonly Pick<JobRules, 'projects' | 'branches'>[] },
): boolean {
  if (event.type !== 'comment-added' || isOurs(event.by, rules)) return false;
  if (whyCi(event.by, rules, event.tag) === null) return false;
  const { project, branch } = event.patchset;
  return rules.jobs.some((job) => matchesAny(job.projects, project) && matchesAny(job.branches, branch));
}
