/**
 * checkingVotePermission: whether this CI may vote at all, asked of the history that counts failures in a row. Its answer comes in the same
 * transaction; should it ever stay away, the review goes on after a while as if it had said no.
 */
import { judgementOf } from '../model/judge-review.ts';
import { VOTING } from '../system/voting.ts';
import { deadline, request, reviewSetup, update } from './machine-setup.ts';

const unanswered = deadline(
  () => 'deadline:checkingVotePermission',
  (context) => context.report.postTimeoutMs,
);

export const asking = reviewSetup.createStateConfig({
  entry: [
    // First, so that the answer, which comes with this very row, finds it to take back.
    unanswered.arm,
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
  exit: unanswered.disarm,
  on: {
    'vote.allowed': '#review.permissionKnown',
    'vote.withheld': { target: '#review.permissionKnown', actions: keepRefusal() },
    'timer.fired': { target: '#review.permissionKnown', actions: keepRefusal() },
  },
});

function keepRefusal() {
  return update(({ event }) => ({
    withheld:
      event.type === 'vote.withheld' ? event.why : 'it was not answered in time whether this CI may vote',
  }));
}
