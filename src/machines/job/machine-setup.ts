/**
 * The setup of every state of job@1: context, event types, guards and actions. Each state has a file in this directory;
 * `./job.ts` combines them.
 */
import { assign, setup } from 'xstate';
import { backoff } from '../model/backoff.ts';
import type {
  Dependency,
  EvidenceState,
  JobSpec,
  MergedTree,
  Ownership,
  Patchset,
  ResultsSummary,
  Server,
  Sibling,
  StageEnd,
} from '../model/domain.ts';
import type { Environment } from '../model/environment.ts';
import { stageProblem } from '../model/judge-testing.ts';
import type { Verdict } from '../model/verdict.ts';
import { actionsFor, type StepMeta } from '../protocol/actions.ts';
import type { Effect, KeyedEffect } from '../protocol/effects.ts';
import type { JobEvent } from '../protocol/events.ts';
import { lastLineOf, reasonOf } from './failure-reason.ts';

export interface JobContext {
  readonly job: string;
  readonly review: string;
  readonly deployment: string;
  readonly patchset: Patchset;
  readonly spec: JobSpec;
  readonly acceptedAt: number;
  /** When the wait for a slot ended; null until then. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Setup attempt, from 1. Part of the server's name and of the effect keys. */
  readonly attempt: number;
  /** The commits to test; empty: the patchset as uploaded. */
  readonly trees: readonly MergedTree[];
  readonly dependencies: readonly Dependency[];
  readonly siblings: readonly Sibling[];
  /** How many times an operator has moved the job to the head of the queue. */
  readonly promotions: number;
  readonly server: Server | null;
  /** Of the newest attempt with a server; null: none had one. */
  readonly environment: Environment | null;
  /** True while the job counts against its provider's slots. */
  readonly slot: boolean;
  readonly verdict: Verdict | null;
  readonly reason: string;
  /** How the stage ended that decides the verdict. */
  readonly stageEnd: StageEnd | null;
  /** The last line of output of the failed stage. */
  readonly lastLine: string | null;
  /** Why the server did not answer when its tests were to be stopped; null: it did, or was not asked. */
  readonly silence: string | null;
  readonly results: ResultsSummary | null;
  readonly collectedBytes: number;
  /** Attempts at collecting evidence. */
  readonly publishAttempt: number;
  readonly evidence: EvidenceState;
  /** URL of the published or pending evidence; null until it is collected. */
  readonly url: string | null;
  /** The verdict has been sent to the review. */
  readonly verdictSent: boolean;
  /** Deletion attempts in the current cleanup. */
  readonly cleanupAttempt: number;
  /** Cleanups and deletions so far, which make their effect keys unique. */
  readonly clearings: number;
  readonly deletions: number;
  /** Attempts at removing the job's files from this host. */
  readonly discards: number;
  /** How many times something that it left behind was found after its end. */
  readonly leaks: number;
  /** Holds that want its server and have not been offered it. */
  readonly holds: readonly HoldRequest[];
  /** The server belongs to a hold now. */
  readonly handedOver: boolean;
  readonly failures: number;
  readonly crashes: number;
}

/** A hold that wants the job's server. */
export interface HoldRequest {
  readonly hold: string;
  /** True: however the job ends. */
  readonly always: boolean;
}

export type JobMachineEvent = JobEvent & StepMeta;
export interface Args {
  readonly context: JobContext;
  readonly event: JobMachineEvent;
}

export const { request, update, deadline } = actionsFor<JobContext, JobEvent>();

/** Stores fields of the named event in the context. */
export function assignFrom<T extends JobEvent['type']>(
  type: T,
  make: (event: Extract<JobMachineEvent, { type: T }>, context: JobContext) => Partial<JobContext>,
) {
  return {
    type: 'update',
    params: ({ context, event }: Args): Partial<JobContext> => {
      if (event.type !== type) throw new Error(`expected ${type}, got ${event.type}`);
      return make(event as Extract<JobMachineEvent, { type: T }>, context);
    },
  } as const;
}

export function ownerOf(context: JobContext): Ownership {
  return { deployment: context.deployment, job: context.job, attempt: context.attempt };
}

/** Grows to at most 64 times `baseMs`. */
export function backoffMs(baseMs: number, attempt: number): number {
  return backoff(attempt, baseMs, baseMs * 64);
}

/** After a failed setup: another attempt, or publishing with `verdict`. */
export function setupFailed(verdict: Verdict) {
  return [
    {
      guard: 'mayRetrySetup',
      target: '#job.booting.cleaningUp',
      actions: ['keepReason', 'forgetGoneServer'],
    },
    { target: '#job.publishing', actions: [decide(verdict), 'forgetGoneServer'] },
  ] as const;
}

/**
 * Keeps the first verdict: later failures do not replace it. The exception is a success whose evidence cannot be read,
 * because it cannot be verified.
 */
export function decide(verdict: Verdict) {
  return { type: 'decide', params: { verdict } } as const;
}

/** Effects that are already visible outside and are answered later. A cleanup waits for the answers. */
const ANSWERED_LATER: readonly KeyedEffect['type'][] = [
  'createServer',
  'fetchPatchset',
  'runStage',
  'stopStage',
  'readResults',
  'collectEvidence',
  'publishEvidence',
  'deleteServer',
  'discardEvidence',
];

function isSettled(event: StepMeta): boolean {
  return !event.pending.some((effect) => ANSWERED_LATER.includes(effect.type));
}

/** The verdicts of a job that did not succeed. A cancelled or superseded job has none of them. */
const FAILURES: readonly (Verdict | null)[] = [
  'FAILURE',
  'TIMED_OUT',
  'NODE_FAILURE',
  'POST_FAILURE',
  'RETRY_LIMIT',
];

/** The hold that is offered the server next. One for exactly this job comes first. */
export function wantedHold({
  holds,
  verdict,
}: Pick<JobContext, 'holds' | 'verdict'>): HoldRequest | undefined {
  return holds.find(({ always }) => always) ?? (FAILURES.includes(verdict) ? holds[0] : undefined);
}

export function otherHolds(context: JobContext): readonly HoldRequest[] {
  const wanted = wantedHold(context);
  return context.holds.filter((one) => one !== wanted);
}

/** True while no deletion of its server was requested. */
function isIntact({ server, handedOver }: JobContext): boolean {
  return server !== null && !handedOver;
}

/** Whether a retry can help, according to the adapter that failed. */
function retryMayHelp(event: JobMachineEvent): boolean {
  return !('failure' in event) || event.failure.retryable;
}

export const jobSetup = setup({
  types: {
    context: {} as JobContext,
    events: {} as JobMachineEvent,
    input: {} as JobMachineEvent,
    tags: {} as 'ended' | 'queued' | 'cleanup' | 'parked' | 'past-server',
  },
  actions: {
    request: (_, _effects: Effect | readonly Effect[] | null) => {},
    update: assign((_, changes: Partial<JobContext>) => changes),
    decide: assign(({ context, event }, { verdict }: { verdict: Verdict }) =>
      context.verdict === null ||
      (context.verdict === 'SUCCESS' && context.evidence === 'none' && !context.verdictSent)
        ? {
            verdict,
            reason: reasonOf(event),
            lastLine: lastLineOf(event),
            stageEnd: event.type === 'stage.exited' ? event.end : context.stageEnd,
          }
        : {},
    ),
    /** The job has ended: it no longer counts against its provider's slots. */
    end: assign(({ event }) => ({ slot: false, endedAt: event.at })),
    abort: assign(({ context, event }) => ({
      verdict: context.verdictSent ? context.verdict : 'ABORTED',
      reason: reasonOf(event),
    })),
    keepReason: assign(({ event }) => ({ reason: reasonOf(event), lastLine: lastLineOf(event) })),
    /** Nothing can be collected from it. Cleanup finds what is left of it by its owner. */
    forgetGoneServer: assign(({ event }) =>
      event.type === 'stage.lost' && event.serverGone === true ? { server: null } : {},
    ),
    /** Keeps what a stage reports about itself. */
    keepFacts: assign(({ context: { environment }, event }) =>
      event.type === 'stage.exited' && event.facts !== undefined && environment !== null
        ? { environment: { ...environment, stages: { ...environment.stages, ...event.facts } } }
        : {},
    ),
    /** For events that are expected in a state and change nothing. */
    noop: () => {},
  },
  guards: {
    settled: ({ event }) => isSettled(event),
    unsettled: ({ event }) => !isSettled(event),
    /** The deletion succeeded, but a server may still appear, and attempts are left. */
    mayDeleteAgain: ({ context, event }) =>
      !isSettled(event) && context.cleanupAttempt < context.spec.limits.cleanupAttempts,
    ofEarlierDeletion: ({ context, event }) => event.settles !== `deleteServer:${context.deletions}`,
    discardsLeft: ({ context }) => context.discards < context.spec.limits.cleanupAttempts,
    ofEarlierDiscard: ({ context, event }) => event.settles !== `discardEvidence:${context.discards}`,
    ofEarlierPublishing: ({ context, event }) =>
      event.settles !== null && !event.settles.endsWith(`:${context.publishAttempt}`),
    mayRetrySetup: ({ context, event }) =>
      retryMayHelp(event) && context.attempt < context.spec.limits.setupAttempts,
    mayRetryPublishing: ({ context, event }) =>
      retryMayHelp(event) && context.publishAttempt < context.spec.limits.publishAttempts,
    cleanupAttemptsLeft: ({ context }) => context.cleanupAttempt < context.spec.limits.cleanupAttempts,
    stackedWell: ({ event }) =>
      event.type === 'stage.exited' && stageProblem(event.stage, event.end) === null,
    stoppedByUs: ({ event }) => event.type === 'stage.exited' && event.end.how === 'stopped',
    hasResults: ({ context, event }) =>
      event.type === 'stage.exited' && event.end.how === 'exited' && context.spec.results !== null,
    isSilent: ({ context }) => context.silence !== null,
    nothingToStack: ({ context }) => context.spec.stacking === null,
    mayHandOver: ({ context, event }) =>
      isSettled(event) && isIntact(context) && wantedHold(context) !== undefined,
    isIntact: ({ context }) => isIntact(context),
    anotherHoldWants: ({ context }) =>
      wantedHold({ holds: otherHolds(context), verdict: context.verdict }) !== undefined,
    crashedBefore: ({ context }) => context.crashes > 0,
    failedBefore: ({ context }) => context.failures > 0,
  },
});
