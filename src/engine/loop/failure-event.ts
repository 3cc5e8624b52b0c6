/** What an error of an adapter's means for the effect that it was to perform. */
import { errorText, type OperationError } from '../../errors.ts';
import { assertNever, type Failure } from '../../machines/model/domain.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { World } from '../ports/adapters.ts';
import type { OutsideEffect } from './perform.ts';

/** What is kept of an error's text: every failure is a row of the log for ever. */
const FAILURE_LIMIT = 2_000;

/** What each effect is settled by when it did not work. Programs and nodes may say a secret in their last words. */
export function failed(
  effect: OutsideEffect,
  error: OperationError,
  world: Pick<World, 'hide' | 'jobsInForce'>,
): AnyEvent {
  const failure = failureOf(error, world);
  switch (effect.type) {
    case 'raiseAlarm':
      return { type: 'alarm.raised' };
    case 'catchUp':
      return { type: 'gap.unclosed', failure };
    case 'lookUpChange':
      return { type: 'change.unresolved', failure };
    case 'mergePatchset':
      return { type: 'patchset.unmerged', failure };
    case 'createServer':
      return { type: 'server.failed', failure };
    case 'fetchPatchset':
      return { type: 'patchset.unfetched', failure };
    case 'runStage':
      return { type: 'stage.failed', stage: effect.run.stage, failure };
    case 'stopStage':
      return { type: 'stage.unstopped', stage: effect.run.stage, failure };
    case 'readResults':
      return { type: 'results.unreadable', why: failure.message };
    case 'collectEvidence':
      return { type: 'evidence.uncollected', failure };
    case 'publishEvidence':
      return { type: 'evidence.unpublished', failure };
    case 'deleteServer':
      return { type: 'server.undeleted', failure };
    case 'discardEvidence':
      return { type: 'evidence.discard-failed', failure };
    case 'postReview':
      return { type: 'review.unposted', failure };
    case 'postStart':
      return { type: 'start.unposted', failure };
    case 'readStanding':
      return { type: 'standing.unread', failure, jobs: world.jobsInForce(null) };
    case 'readVotes':
      return { type: 'votes.unread', failure };
    case 'sendMail':
      return { type: 'mail.unsent', failure };
    default:
      return assertNever(effect);
  }
}

function failureOf(error: OperationError, { hide }: Pick<World, 'hide'>): Failure {
  return {
    operation: error.operation,
    target: hide(error.target),
    message: hide(errorText(error)).slice(0, FAILURE_LIMIT),
    retryable: error.retryable,
    hint: hide(error.hint).slice(0, FAILURE_LIMIT),
  };
}
