/** Doctor's checks of an OpenStack provider. */
import { afterEach, beforeEach, expect } from 'vitest';
import { cloudFindings } from '../../../src/app/doctor/cloud.ts';
import type { Finding } from '../../../src/app/doctor/finding.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { CloudSetup, EMPTY } from '../../adapters/openstack/cloud-setup.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';

const { describe, it } = needs('sshd');

let setup: CloudSetup;
beforeEach(async () => {
  setup = await CloudSetup.start();
});
afterEach(() => setup.stop());

async function findings(provider: Readonly<Record<string, unknown>> = {}): Promise<readonly Finding[]> {
  const [config] = loadConfig(setup.configFile(provider)).providers;
  if (config?.type !== 'openstack') throw new Error('no provider');
  return cloudFindings(config, NEVER);
}

function addRule(rule: object): void {
  const [group] = [...setup.cloud.state.securityGroups.values()];
  group?.rules.push({ direction: 'ingress', ethertype: 'IPv4', ...rule });
}

const verdicts = (found: readonly Finding[]) => found.map(({ check, verdict }) => `${check} ${verdict}`);

describe('the checks of a cloud', () => {
  it('pass for a correct configuration, and change nothing', async () => {
    const { port } = setup.cloud.guests;
    addRule({ protocol: 'tcp', port_range_min: port, port_range_max: port, remote_ip_prefix: '10.0.0.0/8' });
    const found = await findings({ floatingNetwork: 'public', bootVolume: 20 });
    expect(verdicts(found)).toEqual(['provider ok', 'cloud-quota ok', 'cloud-ssh ok']);
    expect(found[1]?.found).toBe('room for 10 more servers');
    expect(setup.cloud.changes).toEqual([]);
    expect(setup.left).toEqual(EMPTY);
  });

  const quotas = [
    ['cores', 'cores: 0 of 1 used', {}],
    ['ram', 'MB of RAM: 0 of 1 used', {}],
    ['ports', 'ports: 0 of 1 used', {}],
    ['floatingAddresses', 'floating IPs: 0 of 1 used', { floatingNetwork: 'public' }],
    ['volumes', 'volumes: 0 of 1 used', { bootVolume: 1 }],
    ['gigabytes', 'GB of volumes: 0 of 1 used', { bootVolume: 1 }],
  ] as const;
  it.each(quotas)('warn if the quota of %s is smaller than the slots', async (name, limitedBy, config) => {
    Object.assign(setup.cloud.state.quotas, { [name]: 1 });
    const [, quota] = await findings(config);
    expect(quota).toMatchObject({ verdict: 'warning', found: expect.stringContaining(limitedBy) });
  });

  const closed = [
    ['no rule', null],
    ['another port', { protocol: 'tcp', port_range_min: 80, port_range_max: 80 }],
    ['UDP', { protocol: 'udp' }],
    ['members of a group', { protocol: 'tcp', remote_group_id: 'x' }],
    ['IPv6', { ethertype: 'IPv6' }],
    ['egress', { direction: 'egress' }],
  ] as const;
  it.each(closed)('warn when SSH is closed: %s', async (_what, rule) => {
    if (rule !== null) addRule(rule);
    expect(verdicts(await findings())[2]).toBe('cloud-ssh warning');
  });

  it('fix closed SSH with a command for the first security group, which a shell takes as it is', async () => {
    const { port } = setup.cloud.guests;
    const command = `run sos-ci boot-test lab first; only if it cannot log in, add the rule: openstack security group rule create --protocol tcp --dst-port ${port}`;
    expect((await findings())[2]?.fix).toBe(`${command} default`);
    const { id } = setup.cloud.state.addSecurityGroup('ssh; icmp', '');
    setup.cloud.state.addSecurityGroup('nodes', '');
    expect((await findings({ securityGroups: ['nodes', 'default'] }))[2]?.fix).toBe(`${command} nodes`);
    expect((await findings({ securityGroups: ['ssh; icmp'] }))[2]?.fix).toBe(`${command} ${id}`);
  });

  it.each([{}, { protocol: 'TCP' }, { protocol: 6 }])('pass when SSH is open: %j', async (rule) => {
    addRule(rule);
    expect(verdicts(await findings())[2]).toBe('cloud-ssh ok');
  });

  it('report a wrong name, and skip the other checks', async () => {
    const found = await findings({ flavor: 'm1.larg' });
    expect(verdicts(found)).toEqual(['provider failure', 'cloud-quota unchecked', 'cloud-ssh unchecked']);
    expect(found[0]).toMatchObject({
      found: 'there is no flavor m1.larg',
      fix: expect.stringContaining('m1.large'),
    });
  });

  it('report refused credentials', async () => {
    setup.cloud.state.applicationCredential = false;
    expect((await findings())[0]).toMatchObject({
      verdict: 'failure',
      fix: expect.stringContaining('openrc'),
    });
  });
});
