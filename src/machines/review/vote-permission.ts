/**
 * checkingVotePermission: asks the history `voting`, which counts failures in a row, whether this CI may vote. The
 * answer arrives in the same transaction. If none arrives before the deadline, the review continues without a vote.
 */
import { judgementOf } from '../model/judge-review.ts';
import { VOTING } from '../system/voting.ts';
import { deadline, request, reviewSetup, update } from './machine-setup.ts';

const answerDeadline = deadline(
  () => 'deadline:checkingVotePermission',
  (context) => context.report.postTimeoutMs,
);

export const checkingVotePermission = reviewSetup.createStateConfig({
  entry: [
    // Armed first, because the answer arrives with this row and disarms it.
    answerDeadline.arm,
    request(({ context }) => ({
      type: 'sendEvent',
      to: VOTING,
      event: {
        type: 'vote.requested',
        review: context.review,
        change: context.patchset.change,
        judgement: judgementOf(context.reports),
        stopAfter: context.report.maxConsecutiveFailures,
      },
    })),
  ],
  exit: answerDeadline.disarm,
  on: {
    'vote.allowed': '#review.permissionKnown',
    'vote.withheld': { target: '#review.permissionKnown', actions: keepRefusal() },
    'timer.fired': { target: '#review.permissionKnown', actions: keepRefusal() },
  },
});

function keepRefusal() {
  return update(({ event }) => ({
    withheld: event.type === 'vote.withheld' ? event.why : 'the permission to vote was not confirmed in time',
  }));
}
