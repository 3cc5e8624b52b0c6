/**
 * Cleanup: stops a running stage, waits for pending answers (a requested server may still appear), then deletes
 * everything that carries this job's id until nothing is left. Runs between two setup attempts and, as the state
 * cleanup, at the end of every job.
 */
import type { Effect, KeyedEffect } from '../protocol/effects.ts';
import { lateAnswers } from './late-events.ts';
import {
  type Args,
  assignFrom,
  backoffMs,
  deadline,
  decide,
  jobSetup,
  ownerOf,
  request,
  update,
} from './machine-setup.ts';

export interface ClearingOptions {
  /** Target states: `done` when nothing is left, `givenUp` when a resource cannot be removed. */
  readonly done: string;
  readonly givenUp: string;
}

/** Waits as long as the longest pending effect may take: a server may become active at the end of that time. */
const settleDeadline = deadline(
  (context) => `deadline:awaitingEffects:${context.clearings}:${context.deletions}`,
  (context, pending) => Math.max(context.spec.limits.cleanupTimeoutMs, ...pending.map(timeoutOf)),
);
const deleteDeadline = deadline(
  (context) => `deadline:deleting:${context.deletions}`,
  (context) => context.spec.limits.cleanupTimeoutMs,
);
const retry = deadline(
  (context) => `retry:deleting:${context.deletions}`,
  (context) => backoffMs(context.spec.limits.cleanupRetryMs, context.cleanupAttempt),
);
const keepServer = assignFrom('server.active', (event) => ({ server: event.server }));

export function clearing(options: ClearingOptions) {
  const failedDeletion = [
    { guard: 'cleanupAttemptsLeft', target: 'backoff' },
    { target: options.givenUp, actions: decide('NODE_FAILURE') },
  ] as const;
  return jobSetup.createStateConfig({
    initial: 'awaitingEffects',
    entry: update(({ context }) => ({ cleanupAttempt: 0, clearings: context.clearings + 1 })),
    on: { ...lateAnswers, 'verdict.accepted': { actions: 'noop' } },
    states: {
      awaitingEffects: {
        entry: [request(stopWhatRuns), settleDeadline.arm],
        exit: settleDeadline.disarm,
        always: { guard: 'settled', target: 'deleting' },
        on: { 'server.active': { actions: keepServer }, 'timer.fired': 'deleting' },
      },
      deleting: {
        entry: [
          update(({ context }) => ({
            cleanupAttempt: context.cleanupAttempt + 1,
            deletions: context.deletions + 1,
          })),
          request(deleteServer),
          deleteDeadline.arm,
        ],
        exit: deleteDeadline.disarm,
        on: {
          // The server may have appeared after the deletion listed its servers, so another deletion follows. Two never
          // run at once.
          'server.active': { target: 'awaitingEffects', actions: keepServer },
          'server.deleted': [
            { guard: 'ofEarlierDeletion', actions: 'noop' },
            { guard: 'mayDeleteAgain', target: 'awaitingEffects' },
            { guard: 'unsettled', target: options.givenUp, actions: decide('NODE_FAILURE') },
            { target: options.done, actions: update(() => ({ server: null })) },
          ],
          'server.delete-failed': [{ guard: 'ofEarlierDeletion', actions: 'noop' }, ...failedDeletion],
          'timer.fired': failedDeletion,
        },
      },
      backoff: {
        entry: retry.arm,
        exit: retry.disarm,
        on: {
          'timer.fired': 'awaitingEffects',
          'server.active': { target: 'awaitingEffects', actions: keepServer },
        },
      },
    },
  });
}

function deleteServer({ context }: Args) {
  return {
    type: 'deleteServer',
    key: `deleteServer:${context.deletions}`,
    provider: context.spec.provider,
    owner: ownerOf(context),
    timeoutMs: context.spec.limits.cleanupTimeoutMs,
  } as const;
}

function timeoutOf(effect: KeyedEffect): number {
  return 'timeoutMs' in effect ? effect.timeoutMs : 0;
}

/** Stops the running stage unless a stop is already pending. */
function stopWhatRuns({ context, event }: Args): Effect | null {
  if (event.pending.some((effect) => effect.type === 'stopStage')) return null;
  for (const effect of event.pending) {
    if (effect.type !== 'runStage') continue;
    const { stage } = effect.run;
    return {
      type: 'stopStage',
      key: `stopStage:${stage}:${context.attempt}:${context.clearings}:${context.deletions}`,
      run: effect.run,
      timeoutMs: context.spec.limits.stopTimeoutMs,
    };
  }
  return null;
}
