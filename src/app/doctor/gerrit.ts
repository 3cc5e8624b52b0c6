/**
 * Checks our account on Gerrit over SSH: key, host key, login, event stream, label. Uses one connection, and a second
 * one only to see whether Gerrit allows two; what SSH cannot show is reported as unchecked.
 */
import { SshProbe } from '../../adapters/gerrit/probe/ssh-probe.ts';
import { readPublicKey } from '../../adapters/openssh/key-file.ts';
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
    const use = { setting: 'gerrit.key', addTo: `to the SSH keys of ${user} in Gerrit` };
    const { type } = await readPublicKey(keyFile, use);
    return [ok(subject, `${type}, without a passphrase, readable only by us`)];
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

/** Errors of these operations mean that the host key is wrong or could not be checked. */
const HOST_KEY_OPERATIONS = ['verify host key', 'read known_hosts'];

function connectionFailures(config: Config, error: unknown): readonly Finding[] {
  const { gerrit, report } = config;
  if (!(error instanceof OperationError)) throw error;
  const hostKey = { check: 'host-key', target: `${gerrit.host}:${gerrit.port}` };
  const login = { check: 'login', target: accountOf(gerrit) };
  const without = [
    unchecked({ check: 'stream', target: accountOf(gerrit) }, 'no login'),
    unchecked({ check: 'connections', target: accountOf(gerrit) }, 'no login'),
    ...(report.label === null || gerrit.rest !== null
      ? []
      : [unchecked({ check: 'label', target: report.label }, 'no login')]),
  ];
  if (HOST_KEY_OPERATIONS.includes(error.operation))
    return [failed(hostKey, error), unchecked(login, 'the host key is not trusted'), ...without];
  const refused = error.operation === 'authenticate';
  const found = refused ? ok(hostKey, `as in ${gerrit.knownHostsFile}`) : unchecked(hostKey, 'no connection');
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
    return ok(subject, 'Gerrit streams its events to us');
  } catch (error) {
    return failed(subject, error);
  }
}

/** Opens a second connection beside the probe's own. */
async function connectionsFinding({ gerrit }: Config, clock: Clock, signal: AbortSignal): Promise<Finding> {
  const subject = { check: 'connections', target: accountOf(gerrit) };
  if (connectionsNeeded(gerrit) === 1) return ok(subject, 'needs 1, for the stream and queries');
  try {
    await (await SshProbe.open(gerrit, clock, signal)).close();
    return ok(subject, 'needs 2 at a time, for the stream and queries and for git; both were open');
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    const found = `needs 2 at a time, and Gerrit refused the second: ${error.message}`;
    return failure(subject, found, `${error.hint}; the connections of a running daemon count too`);
  }
}

/** Checks the label over SSH, unless REST, which shows more, is configured. */
async function labelFindings(
  probe: SshProbe,
  { gerrit, report, jobs }: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { label } = report;
  if (label === null || gerrit.rest !== null) return [];
  const project = firstProject(jobs);
  const subject = { check: 'label', target: project === null ? label : `${label} in ${project}` };
  const fix = 'configure gerrit.rest: REST shows which votes we may cast';
  if (project === null) return [unchecked(subject, 'every job gives its project as a pattern', fix)];
  const labels = await probe.labels(project, signal);
  if (labels === null || labels.length === 0)
    return [unchecked(subject, `SSH shows no open change of ${project} with labels`, fix)];
  if (labels.includes(label))
    return [unchecked(subject, 'the label exists; SSH cannot show whether we may vote on it', fix)];
  const others = `a change of that project has the labels ${labels.join(', ')}, but not ${label}`;
  return [warning(subject, others, `check report.label; ${fix}`)];
}

function accountOf({ user, host, port }: GerritConfig): string {
  return `${user}@${host}:${port}`;
}
