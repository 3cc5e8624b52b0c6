/**
 * Servers that the user's programs create: a working pool with Python and ssh behind a real sshd, and programs that
 * answer in every possible way.
 */

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { CommandProvider } from '../../../src/adapters/command/provider.ts';
import { NodeMaintenance } from '../../../src/adapters/ssh/node-maintenance.ts';
import type { CommandProviderConfig } from '../../../src/config/config.ts';
import { providerContract } from '../../contracts/provider.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { EXHAUSTIVE } from '../../fixtures/effort.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { isAlive, until, written } from '../local/scratch.ts';
import { NodeScratch } from '../ssh/scratch.ts';

const { describe, it } = needs('sshd', 'python3');

const POOL = fileURLToPath(new URL('../../../examples/providers/pool.py', import.meta.url));

let sshd: Sshd;
beforeAll(async () => {
  sshd = await Sshd.start();
});
afterAll(() => sshd.close());

const signal = NEVER;

class CommandSetup {
  readonly scratch = new NodeScratch(sshd, { connectTimeoutMs: 5_000 });

  provider(change: Partial<CommandProviderConfig>): CommandProvider {
    const { scratch } = this;
    const { config: ssh, stateDir, nodes } = scratch;
    const config: CommandProviderConfig = {
      type: 'command',
      name: 'lab',
      slots: 2,
      ssh,
      node: { user: sshd.user, port: sshd.port, directory: scratch.disk },
      create: ['false'],
      list: ['echo', '{"servers": []}'],
      delete: ['false'],
      listTimeoutMs: 20_000,
      deleteTimeoutMs: 20_000,
      outputLimitBytes: 100_000,
      environment: [],
      ...change,
    };
    return new CommandProvider({ config, access: new NodeMaintenance({ stateDir, nodes, ...STAGE_BOUNDS }) });
  }

  /** The example pool with these hosts, all of which are this one. */
  pool(...hosts: readonly string[]): CommandProvider {
    const { root, disk } = this.scratch;
    const [file, knownHosts] = [join(root, 'pool.json'), join(root, 'known_hosts')];
    writeFileSync(knownHosts, `[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n`);
    const host = { host: '127.0.0.1', port: sshd.port, user: sshd.user };
    const pool = { records: join(root, 'records'), key: sshd.keyFile, knownHosts, directory: disk };
    writeFileSync(
      file,
      JSON.stringify({ ...pool, hosts: Object.fromEntries(hosts.map((name) => [name, host])) }),
    );
    const action = (name: string) => ['python3', POOL, name, file];
    return this.provider({ create: action('create'), list: action('list'), delete: action('delete') });
  }

  /** A shell script as one of the three programs. */
  script(name: string, text: string): readonly string[] {
    const file = join(this.scratch.root, name);
    mkdirSync(this.scratch.root, { recursive: true });
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return [file];
  }
}

/** Each test starts the program of the pool several times. */
if (EXHAUSTIVE)
  describe('with the pool of the examples', () =>
    providerContract('command, with the pool of the examples', start));

async function start() {
  const setup = new CommandSetup();
  return { provider: setup.pool('a', 'b', 'c', 'd'), close: () => setup.scratch.close() };
}

describe('the pool of the examples', () => {
  let setup: CommandSetup;
  beforeEach(() => {
    setup = new CommandSetup();
  });
  afterEach(() => setup.scratch.close());

  it('gives a host to one server at a time, and ends what runs on it', async () => {
    const provider = setup.pool('a');
    const wanted = serverRequest();
    const server = await provider.create(wanted, signal);
    expect(server.address).toBe(
      `ssh://${sshd.user}@127.0.0.1:${sshd.port}${setup.scratch.disk}/${server.id}`,
    );
    await expect(provider.create(serverRequest(), signal)).rejects.toMatchObject({
      message: 'exit code 75: no host is free',
      retryable: true,
    });
    const script = 'setsid sh -c "echo \\$\\$ >$1/hidden; while :; do sleep 0.1; done" & sleep 3000';
    const run = { server, owner: wanted.owner, stage: 'testing' as const };
    await setup.scratch.runner().start({ ...setup.scratch.script(script), run }, NEVER);
    const hidden = Number(await written(join(setup.scratch.root, 'hidden')));
    await provider.delete(server, 'ours', NEVER);
    expect(isAlive(hidden)).toBe(false);
    expect(readdirSync(setup.scratch.disk)).not.toContain(server.id);
    await provider.create(serverRequest(), signal);
  });

  const change = (edit: (pool: { hosts: Record<string, { port: number }>; prepare?: string[] }) => void) => {
    const file = join(setup.scratch.root, 'pool.json');
    const pool = JSON.parse(readFileSync(file, 'utf8'));
    edit(pool);
    writeFileSync(file, JSON.stringify(pool));
  };

  it('skips a host that does not answer', async () => {
    const provider = setup.pool('a', 'b');
    change(({ hosts }) => {
      Object.assign(hosts.a ?? {}, { port: 1 });
    });
    expect((await provider.create(serverRequest(), signal)).id).toMatch(/^b-/);
  });

  it('prepares a host before a job gets it, and skips one that cannot be prepared', async () => {
    const provider = setup.pool('a', 'b');
    const seen = join(setup.scratch.root, 'prepared');
    change((pool) => {
      pool.prepare = [
        'sh',
        '-c',
        'echo "$2" >>"$1"; [ "$2" = b ] || { echo no disk >&2; exit 1; }',
        'sh',
        seen,
      ];
    });
    expect((await provider.create(serverRequest(), signal)).id).toMatch(/^b-/);
    expect(readFileSync(seen, 'utf8')).toBe('a\nb\n');
    await expect(provider.create(serverRequest(), signal)).rejects.toMatchObject({
      message: 'exit code 75: no host is free; a: prepare: no disk',
    });
  });
});

describe('a program', () => {
  let setup: CommandSetup;
  beforeEach(() => {
    setup = new CommandSetup();
  });
  afterEach(() => setup.scratch.close());
  const create = (text: string, change: Partial<CommandProviderConfig> = {}) =>
    setup
      .provider({ create: setup.script('create', text), ...change })
      .create(serverRequest('job-x'), signal);
  const answering = (answer: object) => create(`cat >/dev/null; cat <<'END'\n${JSON.stringify(answer)}\nEND`);

  it('gets the request and the owner, and only the named environment variables', async () => {
    process.env.SOS_CI_TEST_SECRET = 'hunter2';
    process.env.SOS_CI_TEST_CLOUD = 'acme';
    const text = `cat >"${setup.scratch.root}/request"; env >"${setup.scratch.root}/environment"; exit 75`;
    await expect(create(text, { environment: ['SOS_CI_TEST_CLOUD'] })).rejects.toHaveProperty(
      'retryable',
      true,
    );
    delete process.env.SOS_CI_TEST_SECRET;
    delete process.env.SOS_CI_TEST_CLOUD;
    expect(JSON.parse(readFileSync(join(setup.scratch.root, 'request'), 'utf8'))).toEqual({
      version: 1,
      provider: 'lab',
      action: 'create',
      name: expect.stringMatching(/^sos-ci-/),
      owner: { deployment: 'ours', job: 'job-x', attempt: 1 },
    });
    const names = readFileSync(join(setup.scratch.root, 'environment'), 'utf8').match(/^\w+(?==)/gm) ?? [];
    const wanted = ['PATH', 'HOME', 'LANG', 'TMPDIR'].filter((name) => process.env[name] !== undefined);
    const own = ['PWD', 'OLDPWD', 'SHLVL', '_'];
    expect(names.filter((name) => !own.includes(name)).sort()).toEqual(
      [...wanted, 'SOS_CI_TEST_CLOUD'].sort(),
    );
  });

  it.each([
    [
      'its last output',
      'echo first >&2; echo "quota exceeded" >&2; exit 1',
      'exit code 1: quota exceeded',
      true,
    ],
    ['only its exit code if it printed nothing', 'exit 3', 'exit code 3', true],
    ['that a retry cannot help', 'echo "no such image" >&2; exit 78', 'exit code 78: no such image', false],
    ['the signal that killed it', 'kill -9 $$', 'killed by SIGKILL', true],
    ['an answer that is not JSON', 'echo done', 'its output is not JSON: "done"', false],
    ['an answer without end', 'yes', 'it printed more than 100000 bytes', false],
  ])('that fails: reports %s', async (_what, text, message, retryable) => {
    await expect(create(text)).rejects.toMatchObject({ name: 'OperationError', message, retryable });
  });

  it.each([
    ['an answer that is null', null, /its output is invalid: /],
    ['an id that is missing', { address: { host: 'a' } }, /its output is invalid: id: /],
    [
      'a misspelt key',
      { id: 'a', address: { host: 'a', prot: 22 } },
      /its output is invalid: address: .*prot/,
    ],
    ['an option as host', { id: 'a', address: { host: '-oProxyCommand=x' } }, /not the address of a node/],
    [
      'a path with shell syntax',
      { id: 'a', address: { host: 'a', directory: '/x;id' } },
      /not the address of a node/,
    ],
    ['an invalid host key', { id: 'a', address: { host: 'a' }, hostKey: 'ssh-rsa AAAA' }, /not a public key/],
    ['a line end in the id', { id: 'a\nb', address: { host: 'a' } }, /its output is invalid: id: /],
  ])('with an invalid answer: reports %s', async (_what, answer, message) => {
    const refused = await answering(answer as object).catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: 'OperationError', retryable: false });
    expect(String(refused)).toMatch(message);
  });

  it('that is missing is reported', async () => {
    const provider = setup.provider({ create: ['/no/such/program'] });
    await expect(provider.create(serverRequest(), signal)).rejects.toMatchObject({
      message: '/no/such/program cannot be run: ENOENT',
      retryable: false,
    });
  });

  it('that hangs is killed with its process group, at its deadline or on abort', async () => {
    const text = `echo waiting for a host >&2; sh -c 'echo $$ >"${setup.scratch.root}/child"; sleep 300'`;
    const list = setup.script('list', text);
    await expect(
      setup.provider({ list, listTimeoutMs: 700 }).list({ deployment: 'ours' }, NEVER),
    ).rejects.toMatchObject({ message: 'no answer within 700ms; its last output: waiting for a host' });
    const child = Number(readFileSync(join(setup.scratch.root, 'child'), 'utf8'));
    await until('its end', () => !isAlive(child));
    const known = { id: 'a', name: 'a', address: 'a', provider: 'lab' };
    for (const call of [
      (signal: AbortSignal) => setup.provider({ create: list }).create(serverRequest(), signal),
      (signal: AbortSignal) => setup.provider({ list }).list({ deployment: 'ours' }, signal),
      (signal: AbortSignal) => setup.provider({ list }).delete(known, 'ours', signal),
    ]) {
      const giveUp = new AbortController();
      const called = call(giveUp.signal);
      giveUp.abort();
      await expect(called).rejects.toMatchObject({
        message: expect.stringMatching(/^aborted before it was done/),
        retryable: true,
      });
    }
  });

  it('whose server never accepts a login: reports it at the deadline', async () => {
    const text = `cat >/dev/null; echo '{"id": "a", "address": {"host": "127.0.0.1", "port": 1}}'`;
    const wanted = { ...serverRequest(), timeoutMs: 1_500 };
    const provider = setup.provider({ create: setup.script('create', text) });
    const refused = await provider.create(wanted, signal).catch((error: unknown) => error);
    expect(String(refused)).toMatch(
      /the server has been unreachable since .*Z; last error: no connection to .*ECONNREFUSED/,
    );
  });

  it('may return the host key of its server', async () => {
    const answer = { id: 'known', address: { host: '127.0.0.1' }, hostKey: sshd.hostKey };
    await answering(answer);
    const pinned = readFileSync(join(setup.scratch.stateDir, 'host-keys', 'lab-known'), 'latin1');
    expect(pinned).toBe(`${sshd.hostKey.split(' ')[1]}\n`);
    const { makeKeyPair } = await import('../../../src/demo/gerrit/key-pair.ts');
    const other = await answering({ ...answer, hostKey: makeKeyPair('').publicKey }).catch(
      (error: unknown) => error,
    );
    expect(other).toMatchObject({ operation: 'verify host key', retryable: false });
  });

  it('gives each server its own directory on the node, whatever its id', async () => {
    const answer = { id: 'arn:aws/ec2 7;rm', address: { host: '127.0.0.1' } };
    const server = await answering(answer);
    expect(server.id).toBe('arn:aws/ec2 7;rm');
    expect(server.address).toMatch(new RegExp(`${setup.scratch.disk}/[0-9a-f]{32}$`));
    expect(existsSync(join(setup.scratch.disk, server.address.split('/').at(-1) ?? '', 'tree'))).toBe(true);
  });
});
