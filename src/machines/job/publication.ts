/**
 * publication@1: evidence that could not be published while its job waited, for example because the log server is
 * unavailable. The job hands over the collected evidence and ends. This history retries with backoff until the evidence
 * is published, is too old, or is dropped because all publications together exceed their size limit. Then it removes
 * the collected files.
 */
import { assign, setup } from 'xstate';
import { backoff } from '../model/backoff.ts';
import type { Failure } from '../model/domain.ts';
import { actionsFor, assertFirstEvent, type StepMeta } from '../protocol/actions.ts';
import type { Effect, PublishSpec } from '../protocol/effects.ts';
import type { PublicationEvent, PublicationLimits } from '../protocol/events.ts';
import { once } from '../protocol/once.ts';
import type { Selectors } from '../protocol/version.ts';

/** The longest wait between two attempts, and so the longest delay until a log server that is back is used again. */
export const PUBLISH_RETRY_MAX_MS = 900_000;

interface PublicationContext {
  readonly review: string;
  readonly publish: PublishSpec;
  /** The URL that the evidence has, or will have once it is published. */
  readonly url: string;
  readonly bytes: number;
  readonly limits: PublicationLimits;
  readonly openedAt: number;
  readonly attempt: number;
  /** Why the newest attempt failed. */
  readonly why: string;
  /** Dropped during an attempt, whose answer decides. */
  readonly dropped: boolean;
  readonly outcome: 'published' | 'abandoned' | null;
  readonly crashes: number;
}

type PublicationMachineEvent = PublicationEvent & StepMeta;
interface Args {
  readonly context: PublicationContext;
  readonly event: PublicationMachineEvent;
}

const { request, update, deadline } = actionsFor<PublicationContext, PublicationEvent>();
const noop = { actions: 'noop' } as const;

const retry = deadline(
  (context) => `retry:publishing:${context.attempt}`,
  ({ limits, attempt }) => backoff(attempt, limits.retryMs, limits.retryMaxMs),
);
const publishDeadline = deadline(
  (context) => `deadline:publishing:${context.attempt}`,
  // The attempt has its own limit; this deadline catches one that never answers.
  (context) => context.publish.timeoutMs * 2,
);
const discardDeadline = deadline(
  () => 'deadline:discarding',
  (context) => context.publish.timeoutMs,
);

const publicationSetup = setup({
  types: {
    context: {} as PublicationContext,
    events: {} as PublicationMachineEvent,
    input: {} as PublicationMachineEvent,
    tags: {} as 'ended',
  },
  actions: {
    request: (_, _effects: Effect | readonly Effect[] | null) => {},
    update: assign((_, changes: Partial<PublicationContext>) => changes),
    noop: () => {},
  },
  guards: {
    mustAbandon: ({ context, event }) =>
      context.dropped || event.at - context.openedAt >= context.limits.ageMs,
    crashedBefore: ({ context }) => context.crashes > 0,
  },
});

const published = {
  target: '#publication.discarding',
  actions: [
    update(({ event }) =>
      event.type === 'evidence.published' ? { url: event.url, outcome: 'published' } : {},
    ),
    request(sendPublished),
  ],
} as const;
const abandoned = {
  target: '#publication.discarding',
  actions: [
    update(({ context, event }) => ({ outcome: 'abandoned', why: whyOf(context, event) })),
    request(sendAbandoned),
  ],
} as const;
const failed = [
  { guard: 'mustAbandon', ...abandoned },
  {
    target: '#publication.backoff',
    actions: update(({ context, event }) => ({
      attempt: context.attempt + 1,
      why: whyOf(context, event),
    })),
  },
] as const;

const eventsAfterEnd = {
  'evidence.published': noop,
  'evidence.publish-failed': noop,
  'evidence.discarded': noop,
  'evidence.discard-failed': noop,
  'publication.dropped': noop,
  'alarm.raised': noop,
  'machine.failed': noop,
  'machine.quarantine-failed': noop,
  'daemon.crashed': noop,
} as const;

const config = {
  id: 'publication',
  context: ({ input }) => firstContext(input),
  initial: 'backoff',
  entry: request(({ context }) => pendingAlarm(context)),
  on: {
    'alarm.raised': noop,
    // The answer to an attempt that exceeded its deadline.
    'evidence.published': published,
    'evidence.publish-failed': noop,
    'machine.failed': abandoned,
    // The other path to the end runs code that may have thrown the error. The sweep removes the collected files.
    'machine.quarantine-failed': '.done',
    'daemon.crashed': [
      { guard: 'crashedBefore', ...abandoned },
      { actions: update(({ context }) => ({ crashes: context.crashes + 1 })) },
    ],
  },
  states: {
    backoff: {
      entry: retry.arm,
      exit: retry.disarm,
      on: {
        'timer.fired': [{ guard: 'mustAbandon', ...abandoned }, { target: 'publishing' }],
        'publication.dropped': abandoned,
      },
    },
    publishing: {
      entry: [request(publishEvidence), publishDeadline.arm],
      exit: publishDeadline.disarm,
      on: {
        'evidence.publish-failed': failed,
        'timer.fired': failed,
        'publication.dropped': { actions: update(() => ({ dropped: true })) },
      },
    },
    discarding: {
      entry: [request(discardEvidence), discardDeadline.arm],
      exit: discardDeadline.disarm,
      on: {
        ...eventsAfterEnd,
        'evidence.discarded': 'done',
        // The sweep removes what is left.
        'evidence.discard-failed': 'done',
        'timer.fired': 'done',
        'machine.quarantine-failed': 'done',
      },
    },
    done: { tags: 'ended', on: eventsAfterEnd },
  },
} satisfies Parameters<typeof publicationSetup.createMachine>[0];

export const publicationMachine = once(() => publicationSetup.createMachine(config));

/** The name of the history that publishes a job's evidence later. */
export function publicationOf(job: string): string {
  return `publication-${job}`;
}

export const publicationSelectors: Partial<Selectors> = {
  reviewOf: ({ context }) => (context as unknown as PublicationContext).review,
  attempt: ({ context }) => (context as unknown as PublicationContext).attempt,
  pendingEvidence: ({ context }) => {
    const { bytes, openedAt, dropped, outcome, url } = context as unknown as PublicationContext;
    if (outcome !== null) return null;
    return { url, held: dropped ? null : { bytes, since: openedAt } };
  },
};

function firstContext(opened: PublicationMachineEvent): PublicationContext {
  assertFirstEvent(opened);
  if (opened.type !== 'publication.opened')
    throw new Error(`a publication begins with publication.opened, not ${opened.type}`);
  const { review, publish, url, bytes, why, limits, at } = opened;
  return {
    review,
    publish,
    url,
    bytes,
    limits,
    openedAt: at,
    attempt: 1,
    why,
    dropped: false,
    outcome: null,
    crashes: 0,
  };
}

function publishEvidence({ context }: Args) {
  return {
    type: 'publishEvidence',
    key: `publishEvidence:${context.attempt}`,
    ...context.publish,
  } as const;
}

/**
 * Removes the collected files only: the job may still be cleaning up its server, and leftover processes are found by
 * the stage files.
 */
function discardEvidence({ context }: Args) {
  const { owner, timeoutMs } = context.publish;
  return {
    type: 'discardEvidence',
    key: 'discardEvidence',
    job: owner.job,
    part: 'collected',
    timeoutMs,
  } as const;
}

function sendPublished({ context }: Args): readonly Effect[] {
  const { review, url, publish } = context;
  const { job } = publish.owner;
  return [
    { type: 'sendEvent', to: job, event: { type: 'evidence.published', url } },
    { type: 'sendEvent', to: review, event: { type: 'job.evidence-published', job, url } },
    {
      type: 'raiseAlarm',
      key: 'alarm:published',
      alarm: {
        kind: 'evidence-pending',
        target: 'logs',
        message: `evidence can be published again: ${url}`,
        hint: '',
        cleared: true,
      },
    },
  ];
}

function sendAbandoned({ context }: Args): readonly Effect[] {
  const { review, publish, why } = context;
  const { job } = publish.owner;
  return [
    { type: 'sendEvent', to: job, event: { type: 'evidence.abandoned', why } },
    { type: 'sendEvent', to: review, event: { type: 'job.evidence-abandoned', job, why } },
    {
      type: 'raiseAlarm',
      key: 'alarm:abandoned',
      alarm: {
        kind: 'evidence-lost',
        target: `job ${job}`,
        message: `its evidence was never published and is removed. ${why}`,
        hint: 'correct what keeps the logs from being published (sos-ci doctor); until then unpublished evidence is kept for 3 days, 10 GB at most',
      },
    },
  ];
}

/** One alarm for all publications: they fail for the same reason. */
function pendingAlarm({ publish, why }: PublicationContext) {
  return {
    type: 'raiseAlarm',
    key: 'alarm:pending',
    alarm: {
      kind: 'evidence-pending',
      target: 'logs',
      message: `evidence of job ${publish.owner.job} could not be published and waits. ${why}`,
      hint: 'check the log server, or the disk of the published logs (sos-ci doctor); publishing is retried until the evidence is too old',
    },
  } as const;
}

function whyOf(context: PublicationContext, event: PublicationMachineEvent): string {
  switch (event.type) {
    case 'evidence.publish-failed':
      return failureText(event.failure);
    case 'publication.dropped':
      return event.why;
    case 'machine.failed':
      return `internal error at ${event.event}: ${event.message}`;
    case 'daemon.crashed':
      return `the daemon crashed twice, last during ${event.during}: ${event.message}`;
    default:
      return context.why;
  }
}

function failureText({ operation, message }: Failure): string {
  return `${operation}: ${message}`;
}
