/** What happened around votes and the message that tests begin, in plain words. Defused where it is printed, not here. */
import type { AnyEvent } from '../machines/events.ts';
import { assertNever } from '../machines/vocabulary.ts';
import { because } from './event-text.ts';

const TYPES = [
  'voting.opened',
  'voting.resumed',
  'vote.requested',
  'vote.allowed',
  'vote.withheld',
  'start.posted',
  'start.unposted',
] as const;

export type VoteOrStart = Extract<AnyEvent, { type: (typeof TYPES)[number] }>;

export function isVoteOrStart(event: AnyEvent): event is VoteOrStart {
  return TYPES.some((type) => type === event.type);
}

const JUDGED = {
  success: 'a success',
  failure: 'no success',
  neither: 'it says nothing of this CI',
} as const;

export function voteText(event: VoteOrStart): string {
  switch (event.type) {
    case 'voting.opened':
      return 'votes are allowed from the beginning';
    case 'voting.resumed':
      return `${event.by} let votes be given again${because(event.why)}`;
    case 'vote.requested':
      return `review ${event.review} of change ${event.change} ended: ${JUDGED[event.judgement]}`;
    case 'vote.allowed':
      return 'this CI may vote';
    case 'vote.withheld':
      return `this CI may not vote${because(event.why)}`;
    case 'start.posted':
      return 'Gerrit has the message that the tests begin';
    case 'start.unposted':
      return `the message that the tests begin was not posted${because(event.failure.message)}`;
    default:
      return assertNever(event);
  }
}
