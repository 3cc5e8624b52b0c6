/** Checks mail, the published logs, and the wiki page. */

import { reachAddress } from '../../adapters/evidence/publish/probe-url.ts';
import { missingPrograms } from '../../adapters/local/host.ts';
import { SmtpMailer } from '../../adapters/mail/smtp.ts';
import type { Config, MailConfig } from '../../config/config.ts';
import type { Clock } from '../../engine/ports/adapters.ts';
import { smtpOptions } from '../build-transports.ts';
import { clockFinding, clockUnknown } from './clock.ts';
import { type Check, type Finding, failure, ok, warning } from './finding.ts';

export function externalChecks(config: Config, clock: Clock): readonly Check[] {
  const { logs, mail, report } = config;
  const address = { check: 'logs-url', target: logs.url === '' ? 'logs.url' : logs.url };
  const wiki = { check: 'wiki', target: 'report.helpUrl' };
  return [
    { ...address, run: (signal) => addressFindings(config, clock, signal) },
    ...(mail === null ? [] : [mailCheck(mail, config.doctor.timeoutMs)]),
    {
      ...wiki,
      run: async () => [
        report.helpUrl === ''
          ? warning(
              wiki,
              'no page is configured',
              'OpenDev requires a link to it in each comment: it says how to rerun and whom to contact',
            )
          : ok(wiki, report.helpUrl),
      ],
    },
  ];
}

/** Also checks the clock when Gerrit's REST API is not configured. */
async function addressFindings(
  { logs, gerrit, doctor, report }: Config,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const subject = { check: 'logs-url', target: logs.url === '' ? 'logs.url' : logs.url };
  const time = (ahead: number | null): readonly Finding[] =>
    gerrit.rest !== null ? [] : [clockFinding(logs.url, ahead, doctor.clockSkewMs)];
  const unknownClock = gerrit.rest !== null ? [] : [clockUnknown(gerrit.host)];
  if (logs.url === '' || logs.url.startsWith('file:')) {
    const found = 'links in comments are file:// addresses, which readers on other hosts cannot open';
    if (!report.enabled) return [ok(subject, 'file:// addresses, and no comment is posted'), ...unknownClock];
    const directory = logs.destination.type === 'directory' ? logs.destination.dir : 'the logs';
    const fix = `serve ${directory} with a web server, and set logs.url to its address`;
    return [warning(subject, found, fix), ...unknownClock];
  }
  let response: Awaited<ReturnType<typeof reachAddress>>;
  try {
    response = await reachAddress(logs.url, signal);
  } catch (error) {
    const { message, hint } = error as { readonly message: string; readonly hint?: string };
    return [failure(subject, message, hint ?? ''), ...unknownClock];
  }
  const { status, date } = response;
  const responds = `responds with ${status}`;
  const finding =
    status === 401 || status === 403
      ? failure(subject, responds, 'logs must be readable without a login')
      : status >= 500
        ? failure(subject, responds, "see the web server's log")
        : ok(subject, responds);
  return [finding, ...time(date === null ? null : clock.now() - date - 500)];
}

function mailCheck(mail: MailConfig, timeoutMs: number): Check {
  const { by } = mail;
  if ('sendmail' in by) {
    const [program = ''] = by.sendmail;
    const subject = { check: 'mail', target: program };
    return { ...subject, run: async () => [await programFinding(subject, program)] };
  }
  const subject = { check: 'mail', target: `${by.host}:${by.port}` };
  return {
    ...subject,
    run: async () => {
      const waitMs = Math.min(mail.timeoutMs, timeoutMs);
      await new SmtpMailer(smtpOptions(by, { ...mail, timeoutMs: waitMs })).reach();
      return [ok(subject, by.login === null ? 'accepts mail' : `accepts the login of ${by.login.user}`)];
    },
  };
}

async function programFinding(subject: Pick<Finding, 'check' | 'target'>, program: string): Promise<Finding> {
  const missing = await missingPrograms([program]);
  return missing.length === 0
    ? ok(subject, 'installed; whether it delivers mail is not checked')
    : failure(subject, 'the program is missing or not executable', 'correct mail.sendmail');
}
