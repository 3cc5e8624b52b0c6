/** From the checked file to what the roads to the outside need: Gerrit's REST interface, and mail. */
import type { MailConfig, PasswordSource, RestConfig } from './config.ts';
import { readSender } from './fields/validators.ts';
import type { ConfigFile } from './schema.ts';

type RestFile = NonNullable<ConfigFile['gerrit']['rest']>;
type MailFile = NonNullable<ConfigFile['mail']>;
type Resolve = (path: string) => string;

/** @param user of the account, where the file names none for REST */
export function buildRest(rest: RestFile, user: string, path: Resolve): RestConfig {
  return {
    url: rest.url.replace(/\/+$/, ''),
    user: rest.user ?? user,
    password: resolved(rest.password, path),
    caFile: orNull(rest.caFile, path),
    idleMs: rest.idle,
    retryAfterMaxMs: rest.retryAfterMax,
  };
}

export function buildMail(mail: MailFile, path: Resolve): MailConfig {
  const from = readSender(mail.from);
  if (from === null) throw new Error('a sender that was checked');
  return {
    from,
    to: mail.to,
    on: mail.on,
    operator: mail.operator,
    operatorLimit: mail.operatorLimit,
    operatorGatherMs: mail.operatorGather,
    by: buildRoad(mail, path),
    timeoutMs: mail.timeout,
    attempts: mail.attempts,
    retryMs: mail.retry,
  };
}

function buildRoad({ smtp, sendmail }: MailFile, path: Resolve): MailConfig['by'] {
  if (smtp === undefined) return { sendmail: sendmail ?? [] };
  const { user, password } = smtp;
  return {
    host: smtp.host,
    port: smtp.port,
    tls: smtp.tls,
    login: user === null || password === undefined ? null : { user, password: resolved(password, path) },
    caFile: orNull(smtp.caFile, path),
  };
}

function resolved({ file, env }: PasswordSource, path: Resolve): PasswordSource {
  return { file: orNull(file, path), env };
}

function orNull(file: string | null, path: Resolve): string | null {
  return file === null ? null : path(file);
}
