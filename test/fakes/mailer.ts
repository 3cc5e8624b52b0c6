/**
 * Everybody's mailbox, in memory. It is the outside world: what was sent stays when the engine is thrown away and made
 * again, also when it was sent twice.
 */
import type { EffectOf, Mailer } from '../../src/engine/ports/adapters.ts';
import type { Failure } from '../../src/machines/model/domain.ts';
import { type Hold, Rehearsal } from './rehearsal.ts';

type Mail = EffectOf<'sendMail'>['mail'];

export class FakeMailer implements Mailer {
  /** Prepare, hold, release, count and await calls by name: `send`. */
  readonly calls = new Rehearsal<'send'>();
  /** What was delivered, oldest first, each as often as it was. */
  readonly sent: Mail[] = [];

  send(mail: Mail, signal: AbortSignal): Promise<void> {
    return this.calls.play('send', signal, () => {
      this.sent.push(mail);
    });
  }

  /** The next mail is not taken. */
  failNext(failure: Failure): void {
    this.calls.failNext(failure);
  }

  /** The next mail hangs until `calls.release()`: before it is taken, or when only the answer is missing. */
  holdNext(hold: Hold = 'answer'): void {
    this.calls.holdNext(hold);
  }

  /** Mails by their subjects, each once however often it came. */
  get subjects(): readonly string[] {
    return [...new Map(this.sent.map(({ id, subject }) => [id, subject])).values()];
  }
}
