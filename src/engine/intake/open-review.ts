/** The opening events of a review and all of its jobs, which are appended in one transaction. */

import type { JobSpec, Patchset, PreparePlan, Sibling, TriggerKind } from '../../machines/model/domain.ts';
import type { ReportSpec } from '../../machines/model/report-spec.ts';
import type { MailSpec } from '../../machines/review/mail.ts';
import type { StartCause } from '../../machines/trigger/rules/cause.ts';
import { verdictsOf } from '../../machines/verdicts/verdicts.ts';
import { newest } from '../../machines/versions.ts';
import type { Submission } from '../loop/dispatch.ts';
import type { Clock } from '../ports/adapters.ts';
import type { NewId } from './ids.ts';

export interface ReviewRequest {
  readonly patchset: Patchset;
  /** Names of the jobs. */
  readonly jobs: readonly string[];
  readonly trigger: string;
  readonly plan: PreparePlan;
  readonly report: ReportSpec;
  /** Null: started by hand. */
  readonly cause: StartCause | null;
  readonly mail: MailSpec | null;
}

export interface ReviewRequestOptions {
  readonly clock: Clock;
  readonly newId: NewId;
  readonly specs: ReadonlyMap<string, JobSpec>;
  readonly headStartsMs: Readonly<Partial<Record<TriggerKind, number>>>;
  readonly pipeline: string;
  readonly deployment: string;
}

/** The review and jobs that were started. */
export interface OpenedReview {
  readonly review: string;
  readonly jobs: readonly { readonly id: string; readonly name: string }[];
}

export function openReview(
  opening: ReviewRequest,
  options: ReviewRequestOptions,
): { readonly admitted: OpenedReview; readonly submissions: readonly Submission[] } {
  const { patchset, trigger, plan, report, cause, mail } = opening;
  const { clock, newId, pipeline, deployment } = options;
  const now = clock.now();
  const review = newId('r', now);
  const jobs = opening.jobs.map((name) => ({
    job: newId('j', now),
    name,
    spec: specOf(name, cause, options),
  }));
  const opened: Submission = {
    history: review,
    startsOn: newest.review,
    event: {
      type: 'review.opened',
      review,
      pipeline,
      patchset,
      trigger,
      ...(cause === null ? {} : { cause }),
      jobs: jobs.map(({ job, name, spec: { voting, files } }) => ({ job, name, voting, files })),
      plan,
      report,
      ...(mail === null ? {} : { mail }),
    },
    settles: null,
    causationId: null,
  };
  const accepted = jobs.map(
    ({ job, spec }): Submission => ({
      history: job,
      startsOn: newest.job,
      event: { type: 'job.accepted', job, review, deployment, patchset, spec, ...siblingsOf(job, jobs) },
      settles: null,
      causationId: `${review}/1`,
    }),
  );
  const known: Submission = {
    history: verdictsOf(patchset),
    startsOn: newest.verdicts,
    event: {
      type: 'runs.admitted',
      review,
      patchset: patchset.patchset,
      branch: patchset.branch,
      jobs: jobs.map(({ job, name, spec: { voting } }) => ({ job, name, voting })),
    },
    settles: null,
    causationId: `${review}/1`,
  };
  const admitted = { review, jobs: jobs.map(({ job, name }) => ({ id: job, name })) };
  return { admitted, submissions: [opened, known, ...accepted] };
}

function siblingsOf(own: string, jobs: readonly Sibling[]): { readonly siblings?: readonly Sibling[] } {
  const siblings = jobs.filter(({ job }) => job !== own).map(({ job, name }) => ({ job, name }));
  return siblings.length === 0 ? {} : { siblings };
}

/** The job's spec, with the head start of its trigger. */
function specOf(
  name: string,
  cause: StartCause | null,
  { specs, headStartsMs }: ReviewRequestOptions,
): JobSpec {
  const spec = specs.get(name);
  if (spec === undefined) throw new Error(`there is no job ${name}`);
  return cause === null ? spec : { ...spec, headStartMs: headStartsMs[cause.kind] ?? 0 };
}
