/**
 * Our account on Gerrit: key, host key, login, the stream of events, the label. One connection for all of it; what can not
 * be known by the roads that are configured is said to be so.
 */
import { SshProbe } from '../../adapters/gerrit/probe/ssh-probe.ts';
import { publicHalf } from '../../adapters/openssh/key-file.ts';
import type { Config, GerritConfig } from '../../config/config.ts';
import type { Clock } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import { connectionsNeeded } from '../gerrit-connections.ts';
import { type Check, type Finding, failed, failure, ok, unchecked, warning } from './finding.ts';
import { firstProject } from './rest-account.ts';

export function gerritChecks(config: Config, clock: Clock): readonly Check[] {
  const { gerrit } = config;
  return [
    { ...{ check: 'key', target: gerrit.keyFile }, run: () => keyFindings(gerrit) },
    {
      ...{ check: 'login', target: accountOf(gerrit) },
      run: (signal) => loginFindings(config, clock, signal),
    },
  ];
}

async function keyFindings({ keyFile, user }: GerritConfig): Promise<readonly Finding[]> {
  const subject = { check: 'key', target: keyFile };
  try {
    const use = { setting: 'gerrit.key', place: `to the SSH keys of ${user} in Gerrit` };
    const { type } = await publicHalf(keyFile, use);
    return [ok(subject, `${type}, without a passphrase, for us alone`)];
  } catch (error) {
    return [failed(subject, error)];
  }
}

async function loginFindings(config: Config, clock: Clock, signal: AbortSignal): Promise<readonly Finding[]> {
  const { gerrit } = config;
  let probe: SshProbe;
  try {
    probe = await SshProbe.open(gerrit, clock, signal);
  } catch (error) {
    return connectionFailures(config, error);
  }
  try {
    const hostKey = { check: 'host-key', target: `${gerrit.host}:${gerrit.port}` };
    const login = { check: 'login', target: accountOf(gerrit) };
    return [
      ok(hostKey, `as in ${gerrit.knownHostsFile}`),
      ok(login, await probe.version(signal)),
      await streamFinding(probe, config, signal),
      await connectionsFinding(config, clock, signal),
      ...(await labelFindings(probe, config, signal)),
    ];
  } catch (error) {
    return [failed({ check: 'login', target: accountOf(gerrit) }, error)];
  } finally {
    await probe.close();
  }
}

/** Errors of these operations say that the host key is not the right one, or that nobody can tell. */
const HOST_KEY_OPERATIONS = ['verify host key', 'read known_hosts'];

function connectionFailures(config: Config, error: unknown): readonly Finding[] {
  const { gerrit, report } = config;
  if (!(error instanceof OperationError)) throw error;
  const hostKey = { check: 'host-key', target: `${gerrit.host}:${gerrit.port}` };
  const login = { check: 'login', target: accountOf(gerrit) };
  const without = [
    unchecked({ check: 'stream', target: accountOf(gerrit) }, 'there is no login'),
    unchecked({ check: 'connections', target: accountOf(gerrit) }, 'there is no login'),
    ...(report.label === null || gerrit.rest !== null
      ? []
      : [unchecked({ check: 'label', target: report.label }, 'there is no login')]),
  ];
  if (HOST_KEY_OPERATIONS.includes(error.operation))
    return [failed(hostKey, error), unchecked(login, 'the host key is not trusted'), ...without];
  const refused = error.operation === 'authenticate';
  const found = refused ? ok(hostKey, `as in ${gerrit.knownHostsFile}`) : unchecked(hostKey, 'not seen');
  return [found, failed(login, error), ...without];
}

async function streamFinding(
  probe: SshProbe,
  { gerrit, doctor }: Config,
  signal: AbortSignal,
): Promise<Finding> {
  const subject = { check: 'stream', target: accountOf(gerrit) };
  try {
    await probe.stream(doctor.streamWaitMs, signal);
    return ok(subject, 'Gerrit lets us hear its events');
  } catch (error) {
    return failed(subject, error);
  }
}

/** Beside the connection of the visit itself. */
async function connectionsFinding({ gerrit }: Config, clock: Clock, signal: AbortSignal): Promise<Finding> {
  const subject = { check: 'connections', target: accountOf(gerrit) };
  if (connectionsNeeded(gerrit) === 1) return ok(subject, '1 is needed, for the stream and queries');
  try {
    await (await SshProbe.open(gerrit, clock, signal)).close();
    return ok(subject, '2 at a time are needed, for the stream and queries and for git, and were open');
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    const found = `2 at a time are needed, and the second is refused: ${error.message}`;
    return failure(subject, found, `${error.hint}; those of a daemon that runs now count too`);
  }
}

/** By SSH. Where REST is configured, it tells more. */
async function labelFindings(
  probe: SshProbe,
  { gerrit, report, jobs }: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { label } = report;
  if (label === null || gerrit.rest !== null) return [];
  const project = firstProject(jobs);
  const subject = { check: 'label', target: project === null ? label : `${label} in ${project}` };
  const fix = 'configure gerrit.rest: REST tells what we may vote';
  if (project === null) return [unchecked(subject, 'no job names a project without a pattern', fix)];
  const labels = await probe.labels(project, signal);
  if (labels === null || labels.length === 0)
    return [unchecked(subject, `SSH shows no open change of ${project} with labels`, fix)];
  if (labels.includes(label))
    return [unchecked(subject, 'it is there; whether we may vote on it can not be known by SSH', fix)];
  const others = `a change there has to do with ${labels.join(', ')}, not with it`;
  return [warning(subject, others, `is report.label right? ${fix}`)];
}

function accountOf({ user, host, port }: GerritConfig): string {
  return `${user}@${host}:${port}`;
}
