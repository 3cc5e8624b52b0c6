/** Describes events of votes and start messages. Callers must escape control characters before printing. */

import { assertNever } from '../../machines/model/domain.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { VoteRun } from '../../machines/verdicts/vote-rule.ts';
import { reasonSuffix } from './event.ts';

const TYPES = [
  'voting.opened',
  'voting.resumed',
  'vote.requested',
  'vote.allowed',
  'vote.withheld',
  'runs.admitted',
  'run.ended',
  'turn.requested',
  'turn.granted',
  'verdicts.requested',
  'verdicts.listed',
  'review.ended',
  'change-state.read',
  'change-state.read-failed',
  'start-message.posted',
  'start-message.post-failed',
] as const;

export type VoteOrStart = Extract<AnyEvent, { type: (typeof TYPES)[number] }>;

export function isVoteOrStart(event: AnyEvent): event is VoteOrStart {
  return TYPES.some((type) => type === event.type);
}

const JUDGEMENT_TEXTS = {
  success: 'success',
  failure: 'failure',
  neither: 'neither success nor failure of this CI',
} as const;

export function voteText(event: VoteOrStart): string {
  switch (event.type) {
    case 'voting.opened':
      return 'voting is on';
    case 'voting.resumed':
      return `${event.by} resumed voting${reasonSuffix(event.why)}`;
    case 'vote.requested':
      return `review ${event.review} of change ${event.change} ended: ${JUDGEMENT_TEXTS[event.judgement]}`;
    case 'vote.allowed':
      return 'this CI may vote';
    case 'vote.withheld':
      return `this CI may not vote${reasonSuffix(event.why)}`;
    case 'runs.admitted':
      return `review ${event.review} of patchset ${event.patchset} was admitted with ${event.jobs.map(({ name }) => name).join(', ')}`;
    case 'run.ended':
      return `job ${event.job} ended with ${event.verdict}`;
    case 'turn.requested':
      return `review ${event.review} requests its turn to post`;
    case 'turn.granted':
      return 'no other review of the change is posting';
    case 'verdicts.requested':
      return `review ${event.review} requests all verdicts`;
    case 'verdicts.listed':
      return event.runs.length === 0 ? 'no run counts' : `counted: ${event.runs.map(runText).join(', ')}`;
    case 'review.ended':
      return `review ${event.review} ended`;
    case 'change-state.read':
      return `patchset ${event.change.patchset.patchset} is current, our vote on it is ${event.change.vote}`;
    case 'change-state.read-failed':
      return `our vote on the change could not be read${reasonSuffix(event.failure.message)}`;
    case 'start-message.posted':
      return 'the start message was posted';
    case 'start-message.post-failed':
      return `the start message was not posted${reasonSuffix(event.failure.message)}`;
    default:
      return assertNever(event);
  }
}

function runText({ name, patchset, verdict }: VoteRun): string {
  return `${name} on patchset ${patchset}: ${verdict ?? 'not ended'}`;
}
