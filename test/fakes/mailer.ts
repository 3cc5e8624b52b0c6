/**
 * All mailboxes, in memory. Outlives a restart of the engine: sent mails stay, including those sent twice.
 */
import { type EffectOf, type Mailer, PartlySent } from '../../src/engine/ports/adapters.ts';
import type { Failure } from '../../src/machines/model/domain.ts';
import { CallController, type Hold } from './call-controller.ts';

type Mail = EffectOf<'sendMail'>['mail'];

export class FakeMailer implements Mailer {
  /** Fails, holds, releases, counts and awaits calls by name: `send`. */
  readonly calls = new CallController<'send'>();
  /** Delivered mails, oldest first, duplicates included. */
  readonly sent: Mail[] = [];

  /** Every mail is refused for these recipients; the others get it. */
  refused: readonly string[] = [];

  send(mail: Mail, signal: AbortSignal): Promise<void> {
    return this.calls.perform('send', signal, () => {
      this.sent.push(mail);
      const refused = mail.to.filter((address) => this.refused.includes(address));
      if (refused.length === 0) return;
      const message = `not accepted for ${refused.join(', ')}`;
      throw new PartlySent({ operation: 'send mail', target: 'mail', message, hint: 'correct them' });
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
