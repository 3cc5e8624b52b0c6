/**
 * publishing: the evidence of every attempt is collected and published, whatever the verdict; then reporting sends the
 * verdict to the review. Evidence that cannot be published now is handed to a separate history (`./publication.ts`),
 * and the job continues. A success without any collected evidence becomes POST_FAILURE; other verdicts are kept.
 */
import type { Alarm } from '../model/alarm.ts';
import type { JobReport, JobSpec } from '../model/domain.ts';
import { couldNotRun } from '../model/judge-testing.ts';
import type { Effect, PublishSpec } from '../protocol/effects.ts';
import { reasonOf } from './failure-reason.ts';
import { keepPublished, lateAnswers } from './late-events.ts';
import {
  type Args,
  assignFrom,
  backoffMs,
  deadline,
  type JobContext,
  jobSetup,
  ownerOf,
  request,
  update,
} from './machine-setup.ts';
import { PUBLISH_RETRY_MAX_MS, publicationOf } from './publication.ts';

const collectDeadline = deadline(
  (context) => `deadline:collecting:${context.publishAttempt}`,
  (context) => context.spec.limits.collectTimeoutMs,
);
const uploadDeadline = deadline(
  (context) => `deadline:uploading:${context.publishAttempt}`,
  (context) => context.spec.limits.publishTimeoutMs,
);
const retry = deadline(
  (context) => `retry:publishing:${context.publishAttempt}`,
  (context) => backoffMs(context.spec.limits.publishRetryMs, context.publishAttempt),
);
const reportDeadline = deadline(
  () => 'deadline:reporting',
  (context) => context.spec.limits.reportTimeoutMs,
);

/** After a failed collection: another attempt, or the job continues without evidence. */
const uncollected = [
  { guard: 'ofEarlierPublishing', actions: 'noop' },
  { guard: 'mayRetryPublishing', target: '#job.publishing.backoff' },
  {
    target: '#job.reporting',
    actions: {
      type: 'update',
      params: ({ context, event }: Args): Partial<JobContext> =>
        context.verdict === 'SUCCESS' ? { verdict: 'POST_FAILURE', reason: reasonOf(event) } : {},
    },
  },
] as const;

/** The job does not wait for the log server: its server is cleaned up while another history retries. */
const handOverEvidence = {
  target: '#job.reporting',
  actions: [request(openPublication), update(() => ({ evidence: 'pending' }))],
} as const;

const keepServer = assignFrom('server.active', (event) => ({ server: event.server }));

export const publishing = jobSetup.createStateConfig({
  tags: 'past-server',
  initial: 'collecting',
  states: {
    collecting: {
      entry: [request(collectEvidence), collectDeadline.arm],
      exit: collectDeadline.disarm,
      on: {
        'evidence.collected': [
          { guard: 'ofEarlierPublishing', actions: 'noop' },
          {
            target: 'uploading',
            actions: assignFrom('evidence.collected', ({ bytes, url }) => ({ collectedBytes: bytes, url })),
          },
        ],
        'evidence.collect-failed': uncollected,
        'timer.fired': uncollected,
      },
    },
    uploading: {
      entry: [request(publishEvidence), uploadDeadline.arm],
      exit: uploadDeadline.disarm,
      on: {
        'evidence.published': {
          target: '#job.reporting',
          actions: keepPublished,
        },
        'evidence.publish-failed': handOverEvidence,
        'timer.fired': handOverEvidence,
      },
    },
    backoff: {
      entry: retry.arm,
      exit: [retry.disarm, update(({ context }) => ({ publishAttempt: context.publishAttempt + 1 }))],
      on: { 'timer.fired': 'collecting' },
    },
  },
  on: { ...lateAnswers, 'server.active': { actions: keepServer } },
});

export const reporting = jobSetup.createStateConfig({
  tags: 'past-server',
  entry: [...sendVerdict(), request(({ context }) => infrastructureAlarm(context)), reportDeadline.arm],
  exit: reportDeadline.disarm,
  on: {
    ...lateAnswers,
    'server.active': { actions: keepServer },
    'verdict.accepted': 'cleanup',
    'timer.fired': 'cleanup',
    'job.cancelled': { actions: 'noop' },
    'job.superseded': { actions: 'noop' },
  },
});

/** Sends the verdict to the review, once. */
export function sendVerdict() {
  return sendOnce(({ context, event }) => report(context, event.at));
}

/** The same for a job with an internal error: reports only that the job ended. */
export function minimalReport() {
  return sendOnce(({ context }) => ({
    job: context.job,
    name: context.spec.name,
    voting: context.spec.voting,
    verdict: 'ABORTED',
    reason: context.reason,
    lastLine: null,
    evidence: 'none',
    url: null,
    durationMs: 0,
    results: null,
  }));
}

function sendOnce(reportOf: (args: Args) => JobReport) {
  return [
    request((args) =>
      args.context.verdictSent
        ? null
        : {
            type: 'sendEvent',
            to: args.context.review,
            event: { type: 'job.reported', report: reportOf(args) },
          },
    ),
    update(() => ({ verdictSent: true })),
  ] as const;
}

function report(context: JobContext, at: number): JobReport {
  return {
    job: context.job,
    name: context.spec.name,
    voting: context.spec.voting,
    verdict: context.verdict ?? 'ABORTED',
    reason: context.reason,
    lastLine: context.verdict === 'SUCCESS' ? null : context.lastLine,
    evidence: context.evidence,
    url: context.evidence === 'none' ? null : context.url,
    durationMs: at - (context.startedAt ?? context.acceptedAt),
    results: context.results,
  };
}

/** Alarm for a verdict caused by the infrastructure and not by the patch. */
function infrastructureAlarm(context: JobContext): Effect | null {
  const { job, spec, reason, verdict } = context;
  const kind = alarmKindOf(context);
  if (kind === null) return null;
  const message = `${spec.name}: ${verdict}. ${reason}`;
  const shown = `sos-ci explain ${job}`;
  const alarm =
    kind === 'command-missing'
      ? {
          kind,
          target: spec.name,
          message,
          hint: `correct the command, or install it where the job runs (sos-ci doctor); see why: ${shown}`,
        }
      : { kind, target: `job ${job}`, message, hint: `the patch was not judged; see why: ${shown}` };
  return { type: 'raiseAlarm', key: 'alarm:own-trouble', alarm };
}

function alarmKindOf({ verdict, stageEnd }: JobContext): Alarm['kind'] | null {
  if (verdict === 'POST_FAILURE') return 'no-result';
  if (verdict !== 'NODE_FAILURE' && verdict !== 'RETRY_LIMIT') return null;
  if (stageEnd?.how !== 'exited') return 'node-failing';
  if (couldNotRun(stageEnd.code) !== null) return 'command-missing';
  // The setup script ran and failed, which may be the patch's fault: the comment reports it.
  return verdict === 'RETRY_LIMIT' ? null : 'node-failing';
}

function collectEvidence({ context }: Args) {
  return {
    type: 'collectEvidence',
    key: `collectEvidence:${context.publishAttempt}`,
    owner: ownerOf(context),
    server: context.server,
    patchset: context.patchset,
    name: context.spec.name,
    pipeline: context.spec.pipeline,
    configuration: context.spec,
    logs: evidencePaths(context.spec),
    ...(context.spec.results?.format === 'subunit' ? { subunit: context.spec.results.file } : {}),
    limitBytes: context.spec.limits.evidenceLimitBytes,
    limitFiles: context.spec.limits.evidenceLimitFiles,
    timeoutMs: context.spec.limits.collectTimeoutMs,
  } as const;
}

function publishEvidence({ context }: Args) {
  const key = `publishEvidence:${context.publishAttempt}`;
  return { type: 'publishEvidence', key, ...publishSpec(context) } as const;
}

function openPublication({ context, event }: Args): Effect {
  const { job, review, url, collectedBytes, spec } = context;
  if (url === null) throw new Error('published before it was collected');
  return {
    type: 'sendEvent',
    to: publicationOf(job),
    startsOn: 'publication@1',
    event: {
      type: 'publication.opened',
      review,
      publish: publishSpec(context),
      url,
      bytes: collectedBytes,
      why: reasonOf(event),
      limits: {
        retryMs: spec.limits.publishRetryMs,
        retryMaxMs: PUBLISH_RETRY_MAX_MS,
        ageMs: spec.limits.publishAgeMs,
      },
    },
  };
}

function publishSpec(context: JobContext): PublishSpec {
  return {
    owner: ownerOf(context),
    patchset: context.patchset,
    name: context.spec.name,
    pipeline: context.spec.pipeline,
    verdict: context.verdict ?? 'ABORTED',
    reason: context.reason,
    results: context.results,
    trees: context.trees,
    dependencies: context.dependencies,
    siblings: context.siblings,
    environment: context.environment,
    timeoutMs: context.spec.limits.publishTimeoutMs,
  };
}

/** The results file decides the verdict, so it is evidence even if `logs` does not name it. */
function evidencePaths({ logs, results }: Pick<JobSpec, 'logs' | 'results'>): readonly string[] {
  if (results === null) return logs;
  const covered = logs.some((path) => path === results.file || results.file.startsWith(`${path}/`));
  return covered ? logs : [...logs, results.file];
}
