/**
 * The mail at the end of a review: requested by the row that ends the review, and retried a few times. The review has
 * ended, so nothing waits for the mail; a pending mail survives a restart like every effect.
 */
import { backoff } from '../model/backoff.ts';
import { type ReviewArgs, request, update } from './machine-setup.ts';
import { reviewMail } from './mail.ts';

/** For the entry of a final state. */
export const mailEnd = request((args) => sendMail(args, 0));

/** Answers about the mail, in a final state. */
export const mailAnswers = {
  'mail.sent': { actions: 'noop' },
  'mail.send-failed': [
    {
      guard: 'mayMailAgain',
      actions: [
        update(({ context }) => ({ mailAttempt: context.mailAttempt + 1 })),
        request((args) => sendMail(args, retryMs(args))),
      ],
    },
    { actions: request(unsent) },
  ],
} as const;

function sendMail({ context, event }: ReviewArgs, delayMs: number) {
  const { mail: spec, outcome } = context;
  if (spec === null || (outcome !== 'posted' && outcome !== 'post-failed' && outcome !== 'shadow'))
    return null;
  const posted = outcome === 'shadow' ? null : outcome === 'posted';
  const mail = reviewMail({ ...context, posted }, spec);
  if (mail === null) return null;
  return {
    type: 'sendMail',
    key: `sendMail:${context.mailAttempt}`,
    mail,
    dueAt: event.at + delayMs,
    delayMs,
    timeoutMs: spec.timeoutMs,
  } as const;
}

function retryMs({ context }: ReviewArgs): number {
  return backoff(context.mailAttempt - 1, context.mail?.retryMs ?? 0);
}

function unsent({ context, event }: ReviewArgs) {
  if (event.type !== 'mail.send-failed') return null;
  const { change: number, patchset } = context.patchset;
  return {
    type: 'raiseAlarm',
    key: 'alarm:mail',
    alarm: {
      kind: 'mail-send-failed',
      target: `change ${number},${patchset}`,
      message: `the mail could not be sent: ${event.failure.message}`,
      hint: event.failure.hint,
    },
  } as const;
}
