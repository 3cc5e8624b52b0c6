/**
 * Mails alarms to the operator: each alarm once when it is new, and once when it is cleared. Alarms that come together
 * share a mail, and the number of mails in an hour is limited. Unmailed alarms are stored in the database, so a crash
 * or days without a mail server only delay them. A mail that only some recipients refused counts as sent. Alarms about failed
 * mail are included in the next mail, but do not cause one.
 */
import { OperationError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { backoff } from '../../machines/model/backoff.ts';
import type { Hash } from '../../machines/protocol/row.ts';
import { type Alarms, type Clock, type EffectOf, type Mailer, PartlySent } from '../ports/adapters.ts';
import type { Store, UnmailedAlarm } from '../ports/store.ts';

type Mail = EffectOf<'sendMail'>['mail'];

export interface AlarmMailerOptions {
  readonly store: Pick<Store, 'unmailed' | 'markMailed'>;
  readonly mailer: Mailer;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly hash: Hash;
  readonly to: readonly string[];
  /** Names the installation in the mail. */
  readonly deployment: string;
  /** Maximum number of mails in any hour. */
  readonly limit: number;
  /** Wait for more alarms before a mail is sent. */
  readonly gatherMs: number;
  readonly timeoutMs: number;
  readonly attempts: number;
  /** Wait before a second attempt; doubles. The last attempt is followed by a pause of an hour. */
  readonly retryMs: number;
}

const HOUR_MS = 3_600_000;
/** Maximum number of alarms in one mail. */
const MAX_ALARMS_PER_MAIL = 200;

export class AlarmMailer {
  private readonly options: AlarmMailerOptions;
  private readonly stopping = new AbortController();
  /** Monotonic times of the last hour's mails. */
  private sentAt: number[] = [];
  private failures = 0;
  private sending: Promise<void> | null = null;
  private cancelWait: () => void = () => {};
  private isWaiting = false;

  constructor(options: AlarmMailerOptions) {
    this.options = options;
  }

  /** Call at the start, and after an alarm: there may be something to mail. */
  schedule(): void {
    if (this.sending === null && !this.isWaiting) this.scheduleRun(this.options.gatherMs);
  }

  /** Unmailed alarms wait for the next start. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.cancelWait();
    await this.sending;
  }

  private async run(): Promise<void> {
    const { store, log } = this.options;
    while (!this.stopping.signal.aborted) {
      const unmailed = store.unmailed(MAX_ALARMS_PER_MAIL);
      if (unmailed.every(({ kind }) => kind === 'mail-send-failed')) return;
      const leftMs = this.untilAllowed();
      if (leftMs > 0) return this.scheduleRun(leftMs);
      try {
        await this.sendWithin(mailOf(unmailed, this.options));
      } catch (thrown) {
        if (thrown instanceof PartlySent) this.report('did not reach all recipients', thrown);
        else if (this.stopping.signal.aborted) return;
        else if (thrown instanceof OperationError) return this.failed(thrown);
        else throw thrown;
      }
      this.failures = 0;
      this.sentAt.push(this.options.clock.monotonic());
      store.markMailed(unmailed);
      log.info({ alarms: unmailed.length }, 'mailed alarms to the operator');
    }
  }

  private failed(error: OperationError): void {
    const { attempts, retryMs } = this.options;
    this.failures += 1;
    if (error.retryable && this.failures < attempts) {
      this.scheduleRun(backoff(this.failures, retryMs));
      return;
    }
    this.failures = 0;
    this.report('could not be sent', error);
    this.scheduleRun(HOUR_MS);
  }

  private report(what: string, { message: why, hint }: OperationError): void {
    const message = `mail to the operator ${what}: ${why}`;
    void this.options.alarms.raise({ kind: 'mail-send-failed', target: 'operator', message, hint });
  }

  private scheduleRun(delayMs: number): void {
    if (this.stopping.signal.aborted) return;
    this.isWaiting = true;
    this.cancelWait = this.options.clock.after(delayMs, () => {
      this.isWaiting = false;
      this.sending = this.run().finally(() => {
        this.sending = null;
      });
    });
  }

  /** Time until the hourly limit allows another mail. */
  private untilAllowed(): number {
    const { clock, limit } = this.options;
    const now = clock.monotonic();
    this.sentAt = this.sentAt.filter((at) => now - at < HOUR_MS);
    return this.sentAt.length < limit ? 0 : (this.sentAt[0] ?? now) + HOUR_MS - now;
  }

  private async sendWithin(mail: Mail): Promise<void> {
    const { mailer, clock, timeoutMs } = this.options;
    const late = new AbortController();
    const cancel = clock.after(timeoutMs, () => late.abort());
    try {
      await mailer.send(mail, AbortSignal.any([late.signal, this.stopping.signal]));
    } finally {
      cancel();
    }
  }
}

/**
 * The same alarms produce the same mail, so a recipient can recognize a mail that was sent just before a crash and
 * repeated.
 */
function mailOf(alarms: readonly UnmailedAlarm[], { to, deployment, hash }: AlarmMailerOptions): Mail {
  const names = alarms.map(({ kind, target, newAt }) => `${kind}\n${target}\n${newAt}`).join('\n\n');
  const [first] = alarms;
  const cleared = alarms.filter(({ clearedAt }) => clearedAt !== null).length;
  const what =
    alarms.length === 1
      ? `${cleared === 0 ? '' : 'cleared: '}${first?.kind}: ${first?.target}`
      : `${alarms.length} alarms${cleared === 0 ? '' : `, ${cleared} of them cleared`}`;
  return {
    id: `alarm.${hash(names).slice(0, 32)}`,
    to,
    subject: `sos-ci ${deployment}: ${what}`,
    text: `${[...alarms.map(paragraph), 'sos-ci status shows the current alarms.'].join('\n\n')}\n`,
  };
}

function paragraph({ kind, target, message, hint, lastAt, times, clearedAt }: UnmailedAlarm): string {
  const often = times === 1 ? '' : `, ${times} times in all`;
  return [
    `${clearedAt === null ? '' : 'cleared: '}${kind}: ${inLine(target)}`,
    `    ${inLine(message)}`,
    ...(hint === '' ? [] : [`    What to do: ${inLine(hint)}`]),
    `    ${new Date(clearedAt ?? lastAt).toISOString()}${often}`,
  ].join('\n');
}

/** An alarm may quote untrusted text. */
function inLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .slice(0, 1_000)
    .trim();
}
