/**
 * Whether a comment shows that another CI is at work where we should be: a CI that is silent while others report is noticed
 * by people who disable it, so it must notice first.
 */
import type { GerritEvent } from '../../model/gerrit-event.ts';
import { type Accounts, isOurs, whyCi } from './account.ts';
import { matchesAny } from './glob.ts';
import type { JobRules } from './job-matcher.ts';

/** A CI's comment, not ours, on a change of a project and branch that any of our jobs is for. */
export function isReportOfOthers(
  event: GerritEvent,
  rules: Accounts & { readonly jobs: readonly Pick<JobRules, 'projects' | 'branches'>[] },
): boolean {
  if (event.type !== 'comment-added' || isOurs(event.by, rules)) return false;
  if (whyCi(event.by, rules, event.tag) === null) return false;
  const { project, branch } = event.patchset;
  return rules.jobs.some((job) => matchesAny(job.projects, project) && matchesAny(job.branches, branch));
}
