/** confirmingVote: the vote is read back, because Gerrit 3 drops an unknown label or value with exit status 0. */
import { backoff } from '../model/backoff.ts';
import { deadline, finish, request, reviewSetup, update, withAlarm } from './machine-setup.ts';

const readDeadline = deadline(
  (context) => `deadline:confirmingVote:${context.confirmAttempt}`,
  (context) => context.report.postTimeoutMs * 2,
);
const retry = deadline(
  (context) => `retry:confirmingVote:${context.confirmAttempt}`,
  ({ report, confirmAttempt }) => backoff(confirmAttempt + 1, report.postRetryMs, report.postRetryMaxMs),
);
const noop = { actions: 'noop' } as const;
const unread = [
  { guard: 'mayRetryConfirm', target: 'backoff' },
  { target: '#review.raisingAlarm', actions: [withAlarm('vote-dropped'), finish('posted')] },
] as const;

export const confirmingVote = reviewSetup.createStateConfig({
  initial: 'readingVotes',
  on: {
    'review.superseded': noop,
    'review.cancelled': noop,
    'alarm.raised': noop,
    // The message is already posted: only its vote is unconfirmed.
    'machine.failed': {
      target: '#review.raisingAlarm',
      actions: [withAlarm('vote-dropped'), finish('posted')],
    },
  },
  states: {
    readingVotes: {
      entry: [
        request(({ context }) => ({
          type: 'readVotes',
          key: `readVotes:${context.confirmAttempt}`,
          patchset: context.sent?.target ?? context.patchset,
          timeoutMs: context.report.postTimeoutMs,
        })),
        readDeadline.arm,
      ],
      exit: readDeadline.disarm,
      on: {
        'votes.read': [
          { guard: 'voteIsShown', target: '#review.done', actions: finish('posted') },
          { target: '#review.raisingAlarm', actions: [withAlarm('vote-dropped'), finish('posted')] },
        ],
        'votes.read-failed': unread,
        'timer.fired': unread,
      },
    },
    backoff: {
      entry: retry.arm,
      exit: [retry.disarm, update(({ context }) => ({ confirmAttempt: context.confirmAttempt + 1 }))],
      on: { 'timer.fired': 'readingVotes', 'votes.read': noop, 'votes.read-failed': noop },
    },
  },
});
