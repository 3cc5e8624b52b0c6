/** Checks of an OpenStack provider: login, names, quota, and whether its security groups let SSH in. */
import { Calls } from '../../adapters/openstack/calls.ts';
import { readHeadroom } from '../../adapters/openstack/headroom.ts';
import { type Plan, planServer } from '../../adapters/openstack/plan.ts';
import { GROUPS, type Group, type GroupRule } from '../../adapters/openstack/resources.ts';
import type { OpenStackProviderConfig } from '../../config/config.ts';
import { openStackSession } from '../openstack-session.ts';
import { type Finding, failed, ok, unchecked, warning } from './finding.ts';

const TCP = ['tcp', '6'];

export async function cloudFindings(
  provider: OpenStackProviderConfig,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { name, slots } = provider;
  const subject = { check: 'provider', target: name };
  const [quota, reach] = [
    { check: 'cloud-quota', target: name },
    { check: 'cloud-ssh', target: name },
  ];
  const session = openStackSession(provider);
  try {
    const calls = new Calls(session);
    let plan: Plan;
    try {
      plan = await planServer(calls, provider, signal);
    } catch (error) {
      const none = 'the configured names were not found';
      return [failed(subject, error), unchecked(quota, none), unchecked(reach, none)];
    }
    const { servers, limitedBy } = await readHeadroom(calls, provider, plan.flavor, signal);
    const room = `room for ${servers} more ${servers === 1 ? 'server' : 'servers'}`;
    return [
      ok(
        subject,
        `the cloud has ${provider.image}, ${provider.flavor} and the networks; login as ${plan.user}`,
      ),
      servers === Number.POSITIVE_INFINITY
        ? ok(quota, 'no quota is known')
        : servers >= slots
          ? ok(quota, room)
          : warning(
              quota,
              `${room}, but slots is ${slots} (${limitedBy}); unless our own servers use the rest, jobs will wait`,
              'raise the quota of the project, or lower slots',
            ),
      await sshFinding(reach, provider, plan, calls, signal),
    ];
  } finally {
    session.close();
  }
}

async function sshFinding(
  subject: Pick<Finding, 'check' | 'target'>,
  { node, name }: OpenStackProviderConfig,
  { groups, networks }: Plan,
  calls: Calls,
  signal: AbortSignal,
): Promise<Finding> {
  const bootTest = `boot a server with: sos-ci boot-test ${name}`;
  if (networks[0]?.filtered === false)
    return unchecked(subject, 'the first network has no port security: nothing filters SSH', bootTest);
  const { projectId } = await calls.session.login(signal);
  const defaultGroup = { name: 'default', project_id: projectId };
  const used: readonly Group[] =
    groups.length > 0
      ? groups
      : await calls.all('network', 'security-groups', GROUPS, ({ id }) => id, signal, defaultGroup);
  const names = used.map((group) => group.name).join(', ');
  if (used.some(({ security_group_rules: rules }) => rules.some((rule) => admits(rule, node.port))))
    return ok(subject, `the security groups admit TCP port ${node.port} (${names})`);
  // A cloud may let SSH in although no rule says so.
  return warning(
    subject,
    `no rule of the security groups admits TCP port ${node.port} from outside (${names})`,
    // Without --remote-ip: the cloud may see this host at another address than this host does.
    `run sos-ci boot-test ${name} first; only if it cannot log in, add the rule: openstack security group rule create --protocol tcp --dst-port ${node.port} ${groupWord(used[0])}`,
  );
}

/** The group as one word of a shell command: its name, or its id if a shell would change the name. */
function groupWord(group: Group | undefined): string {
  if (group === undefined) return 'default';
  return /^\w[\w.-]*$/.test(group.name) ? group.name : group.id;
}

/** Whether a rule admits addresses. Rules for members of a security group do not count: this host is not a member. */
function admits(
  {
    direction,
    ethertype,
    protocol,
    port_range_min: first,
    port_range_max: last,
    remote_group_id: group,
  }: GroupRule,
  port: number,
): boolean {
  if (direction !== 'ingress' || ethertype === 'IPv6' || typeof group === 'string') return false;
  const any = protocol === null || protocol === undefined || protocol === 'any';
  if (!any && !TCP.includes(String(protocol).toLowerCase())) return false;
  return (first ?? 0) <= port && port <= (last ?? Number.MAX_SAFE_INTEGER);
}
