/**
 * All mailboxes, in memory. Outlives a restart of the engine: sent mails stay, including those sent twice.
 */
import type { EffectOf, Mailer } from '../../src/engine/ports/adapters.ts';
import type { Failure } from '../../src/machines/model/domain.ts';
import { CallController, type Hold } from './call-controller.ts';

type Mail = EffectOf<'sendMail'>['mail'];

export class FakeMailer implements Mailer {
  /** Fails, holds, releases, counts and awaits calls by name: `send`. */
  readonly calls = new CallController<'send'>();
  /** Delivered mails, oldest first, duplicates included. */
  readonly sent: Mail[] = [];

  send(mail: Mail, signal: AbortSignal): Promise<void> {
    return this.calls.perform('send', signal, () => {
      this.sent.push(mail);
    });
  }

  /** The next mail is rejected. */
  failNext(failure: Failure): void {
    this.calls.failNext(failure);
  }

  /** The next mail hangs until `calls.release()`, before or (`answer`) after it is delivered. */
  holdNext(hold: Hold = 'answer'): void {
    this.calls.holdNext(hold);
  }

  /** Subjects of the mails, without duplicates. */
  get subjects(): readonly string[] {
    return [...new Map(this.sent.map(({ id, subject }) => [id, subject])).values()];
  }
}
