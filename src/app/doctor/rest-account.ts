/** Checks our account over REST: names, permitted votes, and the clock difference. */
import { RestProbe, type Self } from '../../adapters/gerrit/probe/rest-probe.ts';
import type { Config, JobDefinition, RestConfig } from '../../config/config.ts';
import type { Clock } from '../../engine/ports/adapters.ts';
import { restClient } from '../build-transports.ts';
import { clockFinding } from './clock.ts';
import { type Check, type Finding, failed, failure, ok, unchecked, warning } from './finding.ts';

const CONFIGURE_REST = 'configure gerrit.rest';

export function restAccountChecks(config: Config, clock: Clock): readonly Check[] {
  const { gerrit, report } = config;
  const { rest } = gerrit;
  if (rest === null) {
    const found = `SSH does not show the display name of ${gerrit.user}`;
    const fix = `${CONFIGURE_REST}, or check Gerrit's settings page: readers of comments recognize a CI by a name that ends in " CI"`;
    const finding = unchecked({ check: 'account', target: gerrit.user }, found, fix);
    return [
      { check: 'account', target: gerrit.user, run: async () => [finding] },
      ...noLabelChecks(report.label),
    ];
  }
  const target = `${rest.user} at ${rest.url}`;
  return [
    { check: 'account', target, run: (signal) => restFindings(config, rest, clock, signal) },
    ...noLabelChecks(report.label),
  ];
}

function noLabelChecks(label: string | null): readonly Check[] {
  if (label !== null) return [];
  const finding = ok(
    { check: 'label', target: 'report.label' },
    'no vote is configured; only comments are posted',
  );
  return [{ check: 'label', target: 'report.label', run: async () => [finding] }];
}

async function restFindings(
  config: Config,
  rest: RestConfig,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { gerrit, doctor } = config;
  const subject = { check: 'account', target: `${rest.user} at ${rest.url}` };
  const client = restClient(gerrit, rest);
  const probe = new RestProbe(client, () => clock.now());
  try {
    let self: Self;
    try {
      self = await probe.self(signal);
    } catch (error) {
      const { label } = config.report;
      return [
        failed(subject, error),
        unchecked({ check: 'clock', target: rest.url }, 'no login'),
        ...(label === null ? [] : [unchecked({ check: 'label', target: label }, 'no login')]),
      ];
    }
    return [
      accountFinding(subject, self, config),
      clockFinding(rest.url, self.aheadMs, doctor.clockSkewMs),
      ...(await labelFindings(probe, config, signal)),
    ];
  } finally {
    client.close();
  }
}

function accountFinding(
  subject: Pick<Finding, 'check' | 'target'>,
  { username, name }: Self,
  { gerrit, triggers }: Config,
): Finding {
  const who = `user name ${username}, display name ${JSON.stringify(name)}`;
  if (username !== gerrit.user)
    return failure(subject, who, `SSH uses ${gerrit.user}: gerrit.rest.password must be that account's`);
  if (triggers.name !== null && triggers.name !== name)
    return warning(subject, who, `gerrit.name says ${JSON.stringify(triggers.name)}: make them equal`);
  return name.endsWith(' CI')
    ? ok(subject, who)
    : warning(subject, who, 'end the display name in " CI": readers of comments recognize a CI by that');
}

async function labelFindings(
  probe: RestProbe,
  { report, jobs, gerrit }: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { label, success, failure: failureVote, timedOut } = report;
  if (label === null) return [];
  const project = firstProject(jobs);
  const subject = { check: 'label', target: project === null ? label : `${label} in ${project}` };
  if (project === null) return [unchecked(subject, 'every job gives its project as a pattern')];
  try {
    const votes = await probe.votes(project, signal);
    if (votes === null) {
      const fix = 'upload a change there, or check the first review';
      return [unchecked(subject, `no open change of ${project} is visible to us`, fix)];
    }
    if (!votes.labels.includes(label))
      return [
        failure(subject, `no such label; the labels are ${votes.labels.join(', ')}`, 'correct report.label'),
      ];
    const permitted = votes.permitted[label] ?? [];
    const wanted = [...new Set([success, failureVote, timedOut])].filter((value) => value !== 0);
    const missing = wanted.filter((value) => !permitted.includes(value));
    if (missing.length === 0) return [ok(subject, `we may vote ${wanted.map(signed).join(', ')}`)];
    const found = `${gerrit.user} may not vote ${missing.map(signed).join(', ')}`;
    return [failure(subject, found, "ask the project's team for the permission, or remove report.label")];
  } catch (error) {
    return [failed(subject, error)];
  }
}

/** The first project that a job names without a pattern. */
export function firstProject(jobs: readonly JobDefinition[]): string | null {
  return jobs.flatMap(({ rules }) => rules.projects).find((project) => !project.includes('*')) ?? null;
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}
