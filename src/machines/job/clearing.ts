/**
 * Leaves nothing behind: ends what runs, waits for answers that are still on their way (a server whose creation was
 * asked for may yet appear), then deletes everything that carries this job's name until nothing is left. Used between
 * two attempts at setup and, as the state cleanup, at the end of every job.
 */
import type { Effect } from '../effects.ts';
import { type Args, backoffMs, change, deadline, decide, jobSetup, keep, ownerOf, request } from './setup.ts';

export interface ClearingOptions {
  /** Where to go when nothing is left, and when something of ours can not be removed. */
  readonly done: string;
  readonly givenUp: string;
  /** True: the job ends; what was gathered on this host goes too. */
  readonly final: boolean;
}

const settleDeadline = deadline(
  (context) => `deadline:settling:${context.clearings}`,
  (context) => context.spec.limits.cleanupTimeoutMs,
);
const deleteDeadline = deadline(
  (context) => `deadline:deleting:${context.deletions}`,
  (context) => context.spec.limits.cleanupTimeoutMs,
);
const retry = deadline(
  (context) => `retry:deleting:${context.deletions}`,
  (context) => backoffMs(context.spec.limits.cleanupRetryMs, context.cleanupAttempt),
);
/** What may still arrive for effects that an earlier state asked for; having settled them is all it does here. */
const answers = {
  'server.failed': { actions: 'noted' },
  'patchset.fetched': { actions: 'noted' },
  'patchset.unfetched': { actions: 'noted' },
  'stage.started': { actions: 'noted' },
  'stage.exited': { actions: 'noted' },
  'stage.lost': { actions: 'noted' },
  'stage.failed': { actions: 'noted' },
  'stage.stopped': { actions: 'noted' },
  'stage.unstopped': { actions: 'noted' },
  'results.read': { actions: 'noted' },
  'results.unreadable': { actions: 'noted' },
  'evidence.collected': { actions: 'noted' },
  'evidence.uncollected': { actions: 'noted' },
  'evidence.published': { actions: keep('evidence.published', (event) => ({ url: event.url })) },
  'evidence.unpublished': { actions: 'noted' },
  'server.deleted': { actions: 'noted' },
  'server.undeleted': { actions: 'noted' },
  'verdict.taken': { actions: 'noted' },
} as const;

export function clearing(options: ClearingOptions) {
  const failedDeletion = [
    { guard: 'cleanupAttemptsLeft', target: 'backingOff' },
    { target: options.givenUp, actions: decide('NODE_FAILURE') },
  ] as const;
  return jobSetup.createStateConfig({
    initial: 'settling',
    entry: change((context) => ({ cleanupAttempt: 0, clearings: context.clearings + 1 })),
    on: answers,
    states: {
      settling: {
        entry: [request(stopWhatRuns), settleDeadline.arm],
        exit: settleDeadline.disarm,
        always: { guard: 'settled', target: 'deleting' },
        on: {
          'server.active': { actions: keep('server.active', (event) => ({ server: event.server })) },
          'timer.fired': 'deleting',
        },
      },
      deleting: {
        entry: [
          change((context) => ({
            cleanupAttempt: context.cleanupAttempt + 1,
            deletions: context.deletions + 1,
          })),
          request(({ context }) => ({
            type: 'deleteServer',
            key: `deleteServer:${context.deletions}`,
            provider: context.spec.provider,
            owner: ownerOf(context),
            final: options.final,
            timeoutMs: context.spec.limits.cleanupTimeoutMs,
          })),
          deleteDeadline.arm,
        ],
        exit: deleteDeadline.disarm,
        on: {
          // An answer that came after all: what it made is deleted in another round.
          'server.active': { target: 'deleting', reenter: true },
          'server.deleted': { target: options.done, actions: change(() => ({ server: null })) },
          'server.undeleted': failedDeletion,
          'timer.fired': failedDeletion,
        },
      },
      backingOff: {
        entry: retry.arm,
        exit: retry.disarm,
        on: { 'timer.fired': 'deleting', 'server.active': 'deleting' },
      },
    },
  });
}

/** A stage that runs and is not being stopped already is told to stop. */
function stopWhatRuns({ context, event }: Args): Effect | null {
  if (event.inFlight.some((effect) => effect.type === 'stopStage')) return null;
  for (const effect of event.inFlight) {
    if (effect.type !== 'runStage') continue;
    const { stage } = effect.run;
    return {
      type: 'stopStage',
      key: `stopStage:${stage}:${context.attempt}:${context.clearings}`,
      run: effect.run,
      timeoutMs: context.spec.limits.stopTimeoutMs,
    };
  }
  return null;
}
