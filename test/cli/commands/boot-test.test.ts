/** `sos-ci boot-test` on the embedded OpenStack: its output, and the resources that remain. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { environmentDirectory } from '../../../src/adapters/ansible/find-ansible.ts';
import { bootTestCommand } from '../../../src/cli/commands/boot-test.ts';
import { CliError } from '../../../src/cli/output/exit-codes.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { OperationError } from '../../../src/errors.ts';
import { CloudSetup, EMPTY } from '../../adapters/openstack/cloud-setup.ts';
import { fakeIo } from '../../fakes/io.ts';
import { needs } from '../../fixtures/needs.ts';

const { describe, it } = needs('sshd');

let setup: CloudSetup;
beforeEach(async () => {
  setup = await CloudSetup.start();
});
afterEach(() => setup.stop());

describe('boot-test', () => {
  it('prints each step with its time, and leaves nothing', async () => {
    const io = fakeIo();
    expect(await bootTestCommand(io, setup.configFile(), 'lab', {})).toBe(0);
    const steps = io.stdout().trim().split('\n');
    expect(
      steps.map((line) => line.replace(/^ *\+\S+ +/, '')).filter((line) => !line.startsWith('waiting:')),
    ).toEqual([
      'logged in to the cloud; image, flavor and networks found',
      expect.stringMatching(/^server \S+ created$/),
      'ACTIVE',
      'login works',
      'cloud-init finished',
      expect.stringMatching(/^ready: /),
      'deleted; nothing is left',
    ]);
    expect(setup.left).toEqual(EMPTY);
  });

  it('prints JSON, and removes its signal handlers', async () => {
    const io = fakeIo();
    const before = ['SIGINT', 'SIGTERM'].map((signal) => process.listenerCount(signal));
    expect(await bootTestCommand(io, setup.configFile(), 'lab', { json: true })).toBe(0);
    const { provider, steps } = JSON.parse(io.stdout()) as { provider: string; steps: readonly unknown[] };
    expect(['SIGINT', 'SIGTERM'].map((signal) => process.listenerCount(signal))).toEqual(before);
    expect(provider).toBe('lab');
    expect(steps.at(-1)).toEqual({ step: 'deleted; nothing is left', ms: expect.any(Number) });
  });

  it('deletes the server when it fails', async () => {
    setup.cloud.guests.faults.push('cloud-init-fails');
    const failing = bootTestCommand(fakeIo(), setup.configFile(), 'lab', {});
    await expect(failing).rejects.toBeInstanceOf(OperationError);
    expect(setup.cloud.changes).toContain('POST compute servers');
    expect(setup.left).toEqual(EMPTY);
  });

  it('deletes the resources of a killed boot-test, and keeps those of a running one', async () => {
    const { state } = setup.cloud;
    const file = setup.configFile();
    const booting = bootTestCommand(fakeIo(), file, 'lab', {});
    await expect.poll(() => setup.left.ports).toHaveLength(1);
    const [mark = ''] = setup.left.ports;
    await booting;
    const [network] = state.networks;
    if (network === undefined) throw new Error('no network');
    const other = mark.replaceAll(/boot-test-\d+-\d+/g, 'boot-test-77-1');
    expect(other).not.toBe(mark);
    state.addPort(network, { description: other });
    await bootTestCommand({ ...fakeIo(), alive: (pid: number) => pid === 77 }, file, 'lab', {});
    expect(setup.left).toEqual({ ...EMPTY, ports: [other] });
    const io = fakeIo();
    await bootTestCommand({ ...io, alive: () => false }, file, 'lab', {});
    expect(io.stdout()).toContain('deleted the servers of an interrupted boot-test');
    expect(setup.left).toEqual(EMPTY);
  });

  it('runs playbooks with the Ansible that setup installed', async () => {
    const root = dirname(setup.configFile());
    const names = ['create', 'list', 'delete'].map((name) => [name, join(root, `${name}.yml`)] as const);
    for (const [, playbook] of names) writeFileSync(playbook, '[]');
    const none = { openrc: undefined, image: undefined, flavor: undefined, networks: undefined };
    const ssh = { key: setup.keyFile, user: 'stack' };
    const file = setup.configFile({ type: 'ansible', ...none, ssh, playbooks: Object.fromEntries(names) });
    const program = join(environmentDirectory(loadConfig(file).stateDir), 'bin', 'ansible-playbook');
    const started = join(root, 'started');
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, `#!/bin/sh\ntouch '${started}'\nexit 1\n`, { mode: 0o755 });
    await expect(bootTestCommand(fakeIo(), file, 'lab', {})).rejects.toBeInstanceOf(OperationError);
    expect(existsSync(started)).toBe(true);
  });

  it('suggests the provider with a similar name', async () => {
    const unknown = bootTestCommand(fakeIo(), setup.configFile(), 'labb', {});
    await expect(unknown).rejects.toMatchObject({ hint: 'did you mean lab?' });
    await expect(unknown).rejects.toBeInstanceOf(CliError);
  });
});
