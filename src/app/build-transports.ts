/**
 * Creates the configured transports: reviews over REST or SSH, mail over SMTP or sendmail. Passwords are read when they are
 * used and are not cached.
 */
import { systemClock } from '../adapters/clock/system.ts';
import { restPages } from '../adapters/gerrit/history/pages-rest.ts';
import type { FetchPage } from '../adapters/gerrit/history/pages-ssh.ts';
import { RestReviews } from '../adapters/gerrit/reviews/rest-reviews.ts';
import { SshReviews } from '../adapters/gerrit/reviews/ssh-reviews.ts';
import type { ReviewTransport } from '../adapters/gerrit/reviews/transport.ts';
import { RestClient } from '../adapters/gerrit/transport/rest-client.ts';
import type { SharedConnection } from '../adapters/gerrit/transport/shared-connection.ts';
import { SendmailMailer } from '../adapters/mail/sendmail.ts';
import { SmtpMailer, type SmtpOptions } from '../adapters/mail/smtp.ts';
import type { Config, MailConfig, RestConfig, SmtpConfig } from '../config/config.ts';
import { readPassword } from '../config/fields/password.ts';
import { AlarmMailer } from '../engine/operations/alarm-mailer.ts';
import type { Adapters, Mailer } from '../engine/ports/adapters.ts';
import type { Store } from '../engine/ports/store.ts';
import type { Log } from '../log.ts';
import { sha256 } from './database-admin.ts';

/** @param graceMs how long a program may take to exit after SIGTERM */
export function createMailer({ by, from, timeoutMs }: MailConfig, graceMs: number): Mailer {
  if ('sendmail' in by) return new SendmailMailer({ argv: by.sendmail, from, graceMs });
  return new SmtpMailer(smtpOptions(by, { from, timeoutMs }));
}

export function smtpOptions(
  by: SmtpConfig,
  { from, timeoutMs }: Pick<MailConfig, 'from' | 'timeoutMs'>,
): SmtpOptions {
  const { login } = by;
  const password = login === null ? null : () => readPassword(login.password);
  return {
    ...by,
    login: login === null || password === null ? null : { user: login.user, password },
    from,
    timeoutMs,
  };
}

/** A change's history over REST, if configured: comments have ids only over REST. */
export function createRestHistory(
  gerrit: Config['gerrit'],
): { readonly pages: FetchPage; close(): void } | null {
  const { rest } = gerrit;
  if (rest === null) return null;
  const client = restClient(gerrit, rest);
  return { pages: restPages(client, rest.url), close: () => client.close() };
}

/** Over REST if it is configured, else over SSH. */
export function createReviewTransport(gerrit: Config['gerrit'], shared: SharedConnection): ReviewTransport {
  const { rest } = gerrit;
  if (rest === null) return new SshReviews(gerrit, gerrit.user, shared);
  return new RestReviews(restClient(gerrit, rest), { url: rest.url, filesLimit: gerrit.maxFiles });
}

export function restClient(gerrit: Config['gerrit'], rest: RestConfig): RestClient {
  const { url, user, caFile, idleMs, maxRetryAfterMs: retryAfterMaxMs } = rest;
  const {
    connectTimeoutMs,
    commandTimeoutMs,
    maxResponseBytes: answerLimitBytes,
    maxConcurrentReviews: reviewConnections,
  } = gerrit;
  const options = {
    ...{ url, user, caFile, idleMs, retryAfterMaxMs, connectTimeoutMs, answerLimitBytes },
    password: () => readPassword(rest.password),
    requestTimeoutMs: commandTimeoutMs,
    connections: reviewConnections,
  };
  return new RestClient(options, systemClock);
}

/** Null: no mail to operators is configured. */
export function createAlarmMailer(
  { mail }: Config,
  { mailer, alarms }: Adapters,
  context: { readonly store: Store; readonly log: Log; readonly deployment: string },
): AlarmMailer | null {
  if (mail === null || mailer === null || mail.alarmsTo.length === 0) return null;
  return new AlarmMailer({
    ...context,
    mailer,
    alarms,
    clock: systemClock,
    hash: sha256,
    to: mail.alarmsTo,
    limit: mail.maxAlarmMailsPerHour,
    gatherMs: mail.alarmBatchDelayMs,
    timeoutMs: mail.timeoutMs,
    attempts: mail.attempts,
    retryMs: mail.retryMs,
  });
}
