/** What an error of an adapter's means for the effect that it was to perform. */
import { errorText, type OperationError } from '../../errors.ts';
import { assertNever, type Failure } from '../../machines/model/domain.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { Adapters } from '../ports/adapters.ts';
import type { OutsideEffect } from './perform.ts';

/** What is kept of an error's text: every failure is a row of the log forever. */
const FAILURE_LIMIT = 2_000;

/** What each effect is settled by when it did not work. Programs and nodes may say a secret in their last words. */
export function failureEvent(
  effect: OutsideEffect,
  error: OperationError,
  adapters: Pick<Adapters, 'hide' | 'jobsInForce'>,
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
    case 'readResults':
      return { type: 'results.read-failed', why: failure.message };
    case 'collectEvidence':
      return { type: 'evidence.collect-failed', failure };
    case 'publishEvidence':
      return { type: 'evidence.publish-failed', failure };
    case 'deleteServer':
      return { type: 'server.delete-failed', failure };
    case 'discardEvidence':
      return { type: 'evidence.discard-failed', failure };
    case 'postReview':
      return { type: 'review.post-failed', failure };
    case 'postStartMessage':
      return { type: 'start-message.post-failed', failure };
    case 'readChangeState':
      return { type: 'change-state.read-failed', failure, jobs: adapters.jobsInForce(null) };
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
  };
}
