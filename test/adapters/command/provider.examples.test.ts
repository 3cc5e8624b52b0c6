/**
 * The examples for Vagrant and Salt. Stub programs replace `vagrant`, `salt` and `salt-cloud` and print what the real
 * ones print; the machine that they create is this host, behind a real sshd.
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest';
import { CommandProvider } from '../../../src/adapters/command/provider.ts';
import { NodeMaintenance } from '../../../src/adapters/ssh/node-maintenance.ts';
import type { EffectOf } from '../../../src/engine/ports/adapters.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { mountSmallDisk } from '../../fixtures/small-disk.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { NodeScratch } from '../ssh/scratch.ts';

const { it } = needs('sshd', 'python3');

const EXAMPLES = fileURLToPath(new URL('../../../examples/providers/', import.meta.url));
const signal = NEVER;
const owner = { deployment: 'ours', job: 'job-1', attempt: 1 };
const request: EffectOf<'createServer'> = {
  ...{ type: 'createServer', key: 'c', provider: 'lab', name: 'sos-ci-1', owner, timeoutMs: 20_000 },
};

let sshd: Sshd;
let scratch: NodeScratch;
let before: string | undefined;
beforeAll(async () => {
  sshd = await Sshd.start();
});
beforeEach(() => {
  scratch = new NodeScratch(sshd);
  before = process.env.PATH;
  process.env.PATH = `${join(scratch.root, 'bin')}${delimiter}${before}`;
});
afterEach(async () => {
  process.env.PATH = before;
  await scratch.close();
});
afterAll(() => sshd.close());

/** A program that records its arguments and then runs this script. */
function program(name: string, text: string): void {
  const file = join(scratch.root, 'bin', name);
  mkdirSync(join(scratch.root, 'bin'), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho "${name} $*" >>'${scratch.root}/calls'\n${text}\n`);
  chmodSync(file, 0o755);
}

function calls(): readonly string[] {
  return readFileSync(join(scratch.root, 'calls'), 'utf8').trim().split('\n');
}

function provider(script: string, config: object): CommandProvider {
  const file = join(scratch.root, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  const action = (name: string) => ['python3', join(EXAMPLES, script), name, file];
  const { config: ssh, stateDir, nodes, disk } = scratch;
  return new CommandProvider({
    config: {
      ...{ type: 'command', name: 'lab', slots: 1, ssh, outputLimitBytes: 100_000, environment: [] },
      node: { user: sshd.user, port: sshd.port, directory: disk },
      ...{ create: action('create'), list: action('list'), delete: action('delete') },
      ...{ listTimeoutMs: 20_000, deleteTimeoutMs: 20_000 },
    },
    access: new NodeMaintenance({ stateDir, nodes, ...STAGE_BOUNDS }),
  });
}

describe('vagrant.py', () => {
  const UP = `case $1 in
up) mkdir -p .vagrant/machines/default/virtualbox && echo 7f >.vagrant/machines/default/virtualbox/id ;;
ssh-config) printf 'Host default\\n  HostName 127.0.0.1\\n  User USER_OF\\n  Port PORT_OF\\n  LogLevel FATAL\\n' ;;
esac`;
  const config = () => {
    writeFileSync(join(scratch.root, 'key.pub'), 'ssh-ed25519 AAAA ci@host\n');
    return {
      directory: join(scratch.root, 'boxes'),
      box: 'debian/bookworm64',
      publicKey: join(scratch.root, 'key.pub'),
    };
  };

  it('creates a box with our key, finds it again, and destroys it', async () => {
    program('vagrant', UP.replace('USER_OF', sshd.user).replace('PORT_OF', String(sshd.port)));
    const examples = provider('vagrant.py', config());
    const server = await examples.create(request, signal);
    expect(server.address).toBe(`ssh://${sshd.user}@127.0.0.1:${sshd.port}${scratch.disk}/${server.id}`);
    const vagrantfile = readFileSync(join(scratch.root, 'boxes', server.id, 'Vagrantfile'), 'utf8');
    expect(vagrantfile).toContain('config.vm.box = "debian/bookworm64"');
    expect(vagrantfile).toContain("echo 'ssh-ed25519 AAAA ci@host' >>~/.ssh/authorized_keys");
    expect(await examples.list({ deployment: 'ours' }, NEVER)).toEqual([{ server, owner }]);
    await examples.delete(server, 'ours', NEVER);
    expect(calls()).toEqual([
      'vagrant up --no-color',
      'vagrant ssh-config',
      'vagrant destroy --force --no-color',
    ]);
    expect(readdirSync(join(scratch.root, 'boxes'))).toEqual(['records']);
    expect(await examples.list({ deployment: 'ours' }, NEVER)).toEqual([]);
  });

  it('lists a box whose creation failed, so that it is removed', async () => {
    program('vagrant', 'echo "No usable default provider could be found for your system." >&2; exit 1');
    const examples = provider('vagrant.py', config());
    await expect(examples.create(request, signal)).rejects.toMatchObject({
      message: 'exit code 75: vagrant up: No usable default provider could be found for your system.',
    });
    const [left] = await examples.list({ deployment: 'ours' }, NEVER);
    if (left === undefined) throw new Error('nothing is listed');
    await examples.delete(left.server, 'ours', NEVER);
    expect(await examples.list({ deployment: 'ours' }, NEVER)).toEqual([]);
    expect(calls()).toEqual(['vagrant up --no-color']);
  });

  it('interrupts a creation that outlives its program, and then destroys the box', async () => {
    // Vagrant has created the disk, but not the machine, which has no id yet. When interrupted, it still creates the
    // machine, and then exits.
    program(
      'vagrant',
      `[ "$1" = up ] || exit 0
mkdir -p .vagrant/machines/default/libvirt
trap 'echo interrupted >>"${scratch.root}/calls"; echo 7f >.vagrant/machines/default/libvirt/id; exit 1' INT
echo >"${scratch.root}/began"
while :; do sleep 0.05; done`,
    );
    const examples = provider('vagrant.py', config());
    const killed = new AbortController();
    const created = examples.create(request, killed.signal);
    while (!existsSync(join(scratch.root, 'began'))) await new Promise(setImmediate);
    killed.abort();
    await expect(created).rejects.toThrow();
    const [left] = await examples.list({ deployment: 'ours' }, NEVER);
    if (left === undefined) throw new Error('nothing is listed');
    await examples.delete(left.server, 'ours', NEVER);
    expect(calls()).toEqual(['vagrant up --no-color', 'interrupted', 'vagrant destroy --force --no-color']);
    expect(readdirSync(join(scratch.root, 'boxes'))).toEqual(['records']);
  });

  it('refuses a box name that contains more than a name', async () => {
    program('vagrant', 'exit 0');
    const examples = provider('vagrant.py', { ...config(), box: '#{`touch /tmp/evil`}' });
    await expect(examples.create(request, signal)).rejects.toMatchObject({
      message: 'exit code 75: a character in the box or the key is not supported',
    });
    expect(existsSync(join(scratch.root, 'calls'))).toBe(false);
  });
});

describe('salt.py', () => {
  const config = (more: object = {}) => ({
    records: join(scratch.root, 'records'),
    profile: 'devstack-node',
    user: sshd.user,
    port: sshd.port,
    ...more,
  });
  const CLOUD = `for name; do :; done
case $* in *--profile*) echo "Warning: added to the list of known hosts"; echo "{\\"$name\\": {\\"private_ips\\": [\\"127.0.0.1\\"]}}" ;; esac`;

  it('creates a minion, applies its state, finds it again, and destroys it', async () => {
    program('salt-cloud', CLOUD);
    program('salt', 'echo "{\\"$3\\": {\\"pkg_|-git\\": {\\"result\\": true}}}"');
    const examples = provider('salt.py', config({ state: 'sos_ci.node' }));
    const server = await examples.create(request, signal);
    expect(server.address).toBe(`ssh://${sshd.user}@127.0.0.1:${sshd.port}${scratch.disk}/${server.id}`);
    expect(await examples.list({ deployment: 'ours' }, NEVER)).toEqual([{ server, owner }]);
    await examples.delete(server, 'ours', NEVER);
    expect(calls()).toEqual([
      `salt-cloud --out=json --profile devstack-node ${server.id}`,
      `salt --out=json --static ${server.id} state.apply sos_ci.node`,
      `salt-cloud --out=json --assume-yes --destroy ${server.id}`,
    ]);
    expect(await examples.list({ deployment: 'ours' }, NEVER)).toEqual([]);
  });

  it('takes the address from its configuration if the driver names none', async () => {
    program('salt-cloud', 'for name; do :; done; echo "{\\"$name\\": true}"');
    const examples = provider('salt.py', config({ host: '127.0.0.1' }));
    expect((await examples.create(request, signal)).address).toContain('@127.0.0.1:');
  });

  it('fails when a state could not be applied', async () => {
    program('salt-cloud', CLOUD);
    program('salt', 'echo "{\\"$3\\": {\\"pkg_|-git\\": {\\"result\\": false}}}"');
    const examples = provider('salt.py', config({ state: 'sos_ci.node' }));
    await expect(examples.create(request, signal)).rejects.toMatchObject({
      message: expect.stringMatching(/^exit code 75: state sos_ci.node could not be applied to sos-ci-/),
      retryable: true,
    });
    expect(await examples.list({ deployment: 'ours' }, NEVER)).toHaveLength(1);
  });
});

describe('the records of the examples', () => {
  it('are refused on a full disk, and released when there is space again', (context) => {
    const disk = mountSmallDisk(scratch.disk, '256k');
    if (typeof disk === 'string') return context.skip(disk);
    const text =
      "import sys; sys.path.insert(0, sys.argv[1]); import records; \
store = records.Records(sys.argv[2]); print(store.claim('a', {'id': 1}), store.all())";
    const claim = () => {
      const argv = ['-B', '-c', text, EXAMPLES, scratch.disk];
      return spawnSync('python3', argv, { encoding: 'utf8', timeout: 20_000 });
    };
    try {
      disk.fill();
      rmSync(join(scratch.disk, 'empty-0'));
      expect(claim().stderr).toContain('No space left on device');
      rmSync(join(scratch.disk, 'fill'));
      expect(claim().stdout).toBe("True [['a', {'id': 1}]]\n");
      expect(claim().stdout).toBe("False [['a', {'id': 1}]]\n");
    } finally {
      disk.close();
    }
  });
});
