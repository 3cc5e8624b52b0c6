/** confirming: the vote is read back, because Gerrit 3 drops an unknown label or value with exit status 0. */
import { backoff } from '../model/backoff.ts';
import { change, deadline, finish, request, reviewSetup, withAlarm } from './machine-setup.ts';

const readDeadline = deadline(
  (context) => `deadline:confirming:${context.confirmAttempt}`,
  (context) => context.report.postTimeoutMs * 2,
);
const retry = deadline(
  (context) => `retry:confirming:${context.confirmAttempt}`,
  ({ report, confirmAttempt }) => backoff(confirmAttempt + 1, report.postRetryMs, report.postRetryMaxMs),
);
const noted = { actions: 'noted' } as const;
const unread = [
  { guard: 'mayRetryConfirm', target: 'backingOff' },
  { target: '#review.alarming', actions: [withAlarm('vote-dropped'), finish('posted')] },
] as const;

export const confirming = reviewSetup.createStateConfig({
  initial: 'reading',
  on: {
    'review.superseded': noted,
    'review.cancelled': noted,
    'alarm.raised': noted,
    // The message is there already: only its vote is in doubt.
    'machine.failed': { target: '#review.alarming', actions: [withAlarm('vote-dropped'), finish('posted')] },
  },
  states: {
    reading: {
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
          { guard: 'voteIsThere', target: '#review.done', actions: finish('posted') },
          { target: '#review.alarming', actions: [withAlarm('vote-dropped'), finish('posted')] },
        ],
        'votes.unread': unread,
        'timer.fired': unread,
      },
    },
    backingOff: {
      entry: retry.arm,
      exit: [retry.disarm, change(({ context }) => ({ confirmAttempt: context.confirmAttempt + 1 }))],
      on: { 'timer.fired': 'reading', 'votes.read': noted, 'votes.unread': noted },
    },
  },
});
