/**
 * Sends the mail that a history requested. Waits between attempts happen here, because the history has ended and could
 * not handle a timer. A stop leaves the mail pending; after the next start only the rest of the wait remains.
 */
import { OperationError } from '../../errors.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import { sleep } from '../../timer.ts';
import type { EffectOf } from '../ports/adapters.ts';
import { withTimeout } from './effect-timeout.ts';
import type { Performance } from './perform.ts';

export async function sendMail(effect: EffectOf<'sendMail'>, performance: Performance): Promise<AnyEvent> {
  const { clock, adapters, abort } = performance;
  const waitMs = Math.min(Math.max(effect.dueAt - clock.now(), 0), effect.delayMs);
  await sleep(waitMs, abort.signal, clock);
  abort.signal.throwIfAborted();
  const { mailer } = adapters;
  if (mailer === null) throw notConfigured(effect);
  return withTimeout(effect, performance, async (signal) => {
    await mailer.send(effect.mail, signal);
    return { type: 'mail.sent' };
  });
}

function notConfigured({ mail }: EffectOf<'sendMail'>): OperationError {
  return new OperationError({
    operation: 'send mail',
    target: mail.to.join(', '),
    message: 'the mail was requested, but mail is no longer configured',
    retryable: false,
    hint: 'restore `mail` in the configuration; otherwise only this mail is lost',
  });
}
