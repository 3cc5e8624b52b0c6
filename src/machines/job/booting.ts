/**
 * booting: creates a server for the job. A failed setup returns here (`cleaningUp`) and removes what the last attempt
 * left before the next server is requested, so that a job never has two.
 */
import { clearing } from './cleanup.ts';
import {
  assignFrom,
  backoffMs,
  deadline,
  jobSetup,
  ownerOf,
  request,
  setupFailed,
  update,
} from './machine-setup.ts';

const bootDeadline = deadline(
  (context) => `deadline:booting:${context.attempt}`,
  (context) => context.spec.limits.bootTimeoutMs,
);
const retry = deadline(
  (context) => `retry:booting:${context.attempt}`,
  (context) => backoffMs(context.spec.limits.setupRetryMs, context.attempt),
);

export const booting = jobSetup.createStateConfig({
  initial: 'creating',
  states: {
    creating: {
      entry: [
        request(({ context }) => ({
          type: 'createServer',
          key: `createServer:${context.attempt}`,
          provider: context.spec.provider,
          name: `sos-ci-${context.job}-${context.attempt}`,
          owner: ownerOf(context),
          timeoutMs: context.spec.limits.bootTimeoutMs,
        })),
        bootDeadline.arm,
      ],
      exit: bootDeadline.disarm,
      on: {
        'server.active': {
          target: '#job.stacking',
          actions: assignFrom('server.active', ({ server, facts = null }) => ({
            server,
            environment: { server, facts, stages: {} },
          })),
        },
        'server.create-failed': setupFailed('NODE_FAILURE'),
        'timer.fired': setupFailed('NODE_FAILURE'),
      },
    },
    cleaningUp: {
      ...clearing({ done: '#job.booting.backoff', givenUp: '#job.publishing' }),
      tags: 'past-server',
      description: 'cleaning up',
    },
    backoff: {
      description: 'waiting',
      entry: retry.arm,
      exit: [retry.disarm, update(({ context }) => ({ attempt: context.attempt + 1 }))],
      on: { 'timer.fired': 'creating' },
    },
  },
});
