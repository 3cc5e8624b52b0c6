/**
 * stacking and testing: the two states that run a command on the server. The runner enforces the command's own timeout,
 * even while no daemon runs. The daemon's deadline is longer and only acts when the runner does not answer. Failed
 * setup is retried; a test never is.
 */

import type { Stage } from '../model/domain.ts';
import { judgeTesting } from '../model/judge-testing.ts';
import { lastLineOf, oneLine } from './failure-reason.ts';
import {
  type Args,
  assignFrom,
  deadline,
  decide,
  type JobContext,
  jobSetup,
  ownerOf,
  request,
  setupFailed,
  update,
} from './machine-setup.ts';

const fetchDeadline = deadline(
  (context) => `deadline:fetching:${context.attempt}`,
  (context) => context.spec.limits.fetchTimeoutMs,
);
const readDeadline = deadline(
  (context) => `deadline:results:${context.attempt}`,
  // Reading has its own limit; this deadline catches a read that never answers.
  (context) => context.spec.limits.resultsTimeoutMs * 2,
);
const noop = { actions: 'noop' } as const;

const stackingEnded = [
  { guard: 'stackedWell', target: '#job.testing' },
  ...setupFailed('RETRY_LIMIT'),
] as const;
const testingEnded = [
  { guard: 'hasResults', target: '#job.testing.readingResults', actions: keepEnd() },
  { target: '#job.publishing', actions: [keepEnd(), judge()] },
] as const;

const testingLost = {
  'stage.lost': { target: '#job.publishing', actions: [decide('NODE_FAILURE'), 'forgetGoneServer'] },
  'stage.start-failed': { target: '#job.publishing', actions: decide('NODE_FAILURE') },
} as const;

export const stacking = jobSetup.createStateConfig({
  initial: 'fetching',
  states: {
    fetching: {
      entry: [request(fetchPatchset), fetchDeadline.arm],
      exit: fetchDeadline.disarm,
      on: {
        'patchset.fetched': [{ guard: 'nothingToStack', target: '#job.testing' }, { target: 'running' }],
        'patchset.fetch-failed': setupFailed('RETRY_LIMIT'),
        'timer.fired': setupFailed('RETRY_LIMIT'),
      },
    },
    running: {
      entry: [request((args) => runStage(args, 'stacking')), stageWatchdog('stacking').arm],
      exit: [stageWatchdog('stacking').disarm, 'keepFacts'],
      on: {
        'stage.started': noop,
        'stage.exited': stackingEnded,
        'stage.lost': setupFailed('RETRY_LIMIT'),
        'stage.start-failed': setupFailed('RETRY_LIMIT'),
        'timer.fired': 'stopping',
      },
    },
    stopping: {
      entry: [request((args) => stopStage(args, 'stacking')), stopDeadline('stacking').arm],
      exit: [stopDeadline('stacking').disarm, 'keepFacts'],
      on: {
        'stage.started': noop,
        'stage.stopped': noop,
        'stage.stop-failed': noop,
        'stage.exited': stackingEnded,
        'stage.lost': setupFailed('RETRY_LIMIT'),
        'stage.start-failed': setupFailed('RETRY_LIMIT'),
        'timer.fired': setupFailed('RETRY_LIMIT'),
      },
    },
  },
});

export const testing = jobSetup.createStateConfig({
  initial: 'running',
  // A stage may end before it is stopped; the answer to the stop then arrives afterwards.
  on: { 'stage.stopped': noop, 'stage.stop-failed': noop },
  states: {
    running: {
      entry: [request((args) => runStage(args, 'testing')), stageWatchdog('testing').arm],
      exit: [stageWatchdog('testing').disarm, 'keepFacts'],
      on: {
        'stage.started': noop,
        'stage.exited': testingEnded,
        ...testingLost,
        'timer.fired': 'stopping',
      },
    },
    stopping: {
      entry: [
        update(() => ({ silence: 'testing exceeded its timeout, and the server does not answer' })),
        request((args) => stopStage(args, 'testing')),
        stopDeadline('testing').arm,
      ],
      exit: [stopDeadline('testing').disarm, 'keepFacts'],
      on: {
        'stage.started': noop,
        // The stage or its runner ended in time: that result counts. If the daemon stopped the stage, it timed out.
        'stage.exited': [
          { guard: 'stoppedByUs', target: '#job.publishing', actions: decide('TIMED_OUT') },
          ...testingEnded,
        ],
        ...testingLost,
        'stage.stopped': { actions: update(() => ({ silence: null })) },
        'stage.stop-failed': { actions: keepSilence() },
        'timer.fired': [
          {
            guard: 'isSilent',
            target: '#job.publishing',
            actions: update(({ context }) => ({
              verdict: 'NODE_FAILURE',
              reason: context.silence ?? '',
              lastLine: null,
            })),
          },
          { target: '#job.publishing', actions: decide('TIMED_OUT') },
        ],
      },
    },
    readingResults: {
      entry: [
        request(({ context }) =>
          context.server === null || context.spec.results === null
            ? null
            : {
                type: 'readResults',
                key: `readResults:${context.attempt}`,
                server: context.server,
                results: context.spec.results,
                timeoutMs: context.spec.limits.resultsTimeoutMs,
              },
        ),
        readDeadline.arm,
      ],
      exit: readDeadline.disarm,
      on: {
        'results.read': {
          target: '#job.publishing',
          actions: [assignFrom('results.read', (event) => ({ results: event.results })), judge()],
        },
        'results.read-failed': { target: '#job.publishing', actions: judge() },
        'timer.fired': { target: '#job.publishing', actions: judge() },
      },
    },
  },
});

function fetchPatchset({ context }: Args) {
  if (context.server === null) throw new Error('stacking without a server');
  return {
    type: 'fetchPatchset',
    key: `fetchPatchset:${context.attempt}`,
    server: context.server,
    patchset: context.patchset,
    trees: context.trees,
    timeoutMs: context.spec.limits.fetchTimeoutMs,
  } as const;
}

function runStage({ context }: Args, stage: Stage) {
  const spec = stage === 'stacking' ? context.spec.stacking : context.spec.testing;
  if (spec === null) throw new Error(`${stage} without a command`);
  return {
    type: 'runStage',
    key: `runStage:${stage}:${context.attempt}`,
    run: stageRun(context, stage),
    spec,
    patchset: context.patchset,
    name: context.spec.name,
    ...('playbook' in spec ? { trees: context.trees } : {}),
  } as const;
}

function stopStage({ context }: Args, stage: Stage) {
  return {
    type: 'stopStage',
    key: `stopStage:${stage}:${context.attempt}`,
    run: stageRun(context, stage),
    timeoutMs: context.spec.limits.stopTimeoutMs,
  } as const;
}

function stageRun(context: JobContext, stage: Stage) {
  if (context.server === null) throw new Error(`${stage} without a server`);
  return { server: context.server, owner: ownerOf(context), stage };
}

/** The daemon's deadline for a stage: the runner's timeout plus a grace period for its answer. */
function stageWatchdog(stage: Stage) {
  return deadline(
    (context) => `deadline:${stage}:${context.attempt}`,
    (context) => {
      const spec = stage === 'stacking' ? context.spec.stacking : context.spec.testing;
      return (spec?.timeoutMs ?? 0) + context.spec.limits.stageGraceMs;
    },
  );
}

function stopDeadline(stage: Stage) {
  return deadline(
    (context) => `deadline:${stage}-stop:${context.attempt}`,
    (context) => context.spec.limits.stopTimeoutMs * 2,
  );
}

function keepSilence() {
  return assignFrom('stage.stop-failed', ({ failure }) => ({
    silence:
      failure.unreachable === true
        ? oneLine(`testing exceeded its timeout, and the server does not answer: ${failure.message}`)
        : null,
  }));
}

function keepEnd() {
  return assignFrom('stage.exited', (event) => ({ stageEnd: event.end, lastLine: lastLineOf(event) }));
}

function judge() {
  return {
    type: 'update',
    params: ({ context, event }: Args): Partial<JobContext> => {
      if (context.stageEnd === null) throw new Error('judged before the stage ended');
      const { verdict, reason } = judgeTesting(
        context.stageEnd,
        context.results,
        missingResultsReason(event),
        context.spec,
      );
      return { verdict, reason: oneLine(reason) };
    },
  } as const;
}

/** Why there are no results to judge. */
function missingResultsReason(event: Args['event']): string {
  if (event.type === 'results.read-failed') return event.why;
  return event.type === 'timer.fired' ? 'reading took longer than allowed' : 'no results file is configured';
}
