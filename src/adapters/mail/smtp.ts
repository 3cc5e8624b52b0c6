/**
 * Sends mail over SMTP: one connection per mail, encrypted at least as configured, with a timeout on every wait. The
 * password is read again for each mail and never appears in errors.
 */
import nodemailer, { type SMTPTransportOptions } from 'nodemailer';
import type { SmtpConfig } from '../../config/config.ts';
import type { Mailer } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import { timerDelay } from '../../timer.ts';
import { readCertificates } from '../tls/certificates.ts';
import { compose, type Mail, type Sender } from './compose.ts';
import { partlySent, smtpFailure, stoppedMail } from './failure.ts';

export interface SmtpOptions extends Omit<SmtpConfig, 'login'> {
  readonly login: { readonly user: string; readonly password: () => string } | null;
  readonly from: Sender;
  /** For each step: connection, greeting, answer. */
  readonly timeoutMs: number;
}

export class SmtpMailer implements Mailer {
  readonly #options: SmtpOptions;

  constructor(options: SmtpOptions) {
    this.#options = options;
  }

  async send(mail: Mail, signal: AbortSignal): Promise<void> {
    const { host, port, from } = this.#options;
    const target = `${host}:${port}`;
    if (signal.aborted) throw stoppedMail(target);
    const transport = nodemailer.createTransport(await this.#transport());
    try {
      const { rejectedErrors = [] } = await transport.sendMail({ ...compose(mail, from), signal });
      if (rejectedErrors.length > 0) throw partlySent(target, rejectedErrors);
    } catch (error) {
      if (error instanceof OperationError) throw error;
      throw signal.aborted ? stoppedMail(target) : smtpFailure(error, target, this.#options.tls);
    } finally {
      transport.close();
    }
  }

  /** Connects and logs in without sending a mail. */
  async reach(): Promise<void> {
    const { host, port, tls } = this.#options;
    const transport = nodemailer.createTransport(await this.#transport());
    try {
      await transport.verify();
    } catch (error) {
      throw smtpFailure(error, `${host}:${port}`, tls);
    } finally {
      transport.close();
    }
  }

  async #transport(): Promise<SMTPTransportOptions> {
    const { host, port, tls, login, caFile } = this.#options;
    const timeoutMs = timerDelay(this.#options.timeoutMs);
    return {
      host,
      port,
      secure: tls === 'tls',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'none',
      tls: caFile === null ? {} : { ca: await readCertificates(caFile, 'mail.smtp.caFile') },
      ...(login === null ? {} : { auth: { user: login.user, pass: login.password() } }),
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      dnsTimeout: timeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    };
  }
}
