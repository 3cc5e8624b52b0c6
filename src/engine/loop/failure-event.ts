/** Maps an adapter's error to the event that settles the failed effect. */
import { errorText, type OperationError } from '../../errors.ts';
import { assertNever, type Failure } from '../../machines/model/domain.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { Adapters } from '../ports/adapters.ts';
import type { OutsideEffect } from './perform.ts';

/** Limit on a stored error text: every failure is a log row forever. */
const FAILURE_LIMIT = 2_000;

/** The event that settles each failed effect. Secrets are hidden in the output of programs and nodes. */
export function failureEvent(
  effect: OutsideEffect,
  error: OperationError,
  adapters: Pick<Adapters, 'hide' | 'activeJobs'>,
): AnyEvent {
  const failure = failureOf(error, adapters);
  switch (effect.type) {
    case 'raiseAlarm':
      return { type: 'alarm.raised' };
    case 'catchUp':
      return { type: 'catchup.failed', failure };
    case 'lookUpChange':
      return { type: 'change.lookup-failed', failure };
    case 'mergePatchset':
      return { type: 'patchset.merge-failed', failure };
    case 'createServer':
      return { type: 'server.create-failed', failure };
    case 'fetchPatchset':
      return { type: 'patchset.fetch-failed', failure };
    case 'runStage':
      return { type: 'stage.start-failed', stage: effect.run.stage, failure };
    case 'stopStage':
      return { type: 'stage.stop-failed', stage: effect.run.stage, failure };
    case 'runJanitor':
      return { type: 'janitor.start-failed', failure };
    case 'stopJanitor':
      return { type: 'janitor.stop-failed', failure };
    case 'readResults':
      return { type: 'results.read-failed', why: failure.message };
    case 'collectEvidence':
      return { type: 'evidence.collect-failed', failure };
    case 'publishEvidence':
      return { type: 'evidence.publish-failed', failure };
    case 'deleteServer':
      return { type: 'server.delete-failed', failure };
    case 'openServer':
      return { type: 'server.open-failed', failure };
    case 'discardEvidence':
      return { type: 'evidence.discard-failed', failure };
    case 'removeLeak':
      return { type: 'leak.remove-failed', leak: effect.leak, failure };
    case 'postReview':
      return { type: 'review.post-failed', failure };
    case 'postStartMessage':
      return { type: 'start-message.post-failed', failure };
    case 'readChangeState':
      return { type: 'change-state.read-failed', failure, jobs: adapters.activeJobs(null) };
    case 'readVotes':
      return { type: 'votes.read-failed', failure };
    case 'sendMail':
      return { type: 'mail.send-failed', failure };
    default:
      return assertNever(effect);
  }
}

function failureOf(error: OperationError, { hide }: Pick<Adapters, 'hide'>): Failure {
  return {
    operation: error.operation,
    target: hide(error.target),
    message: hide(errorText(error)).slice(0, FAILURE_LIMIT),
    retryable: error.retryable,
    hint: hide(error.hint).slice(0, FAILURE_LIMIT),
    ...(error.unreachable ? { unreachable: true } : {}),
  };
}
