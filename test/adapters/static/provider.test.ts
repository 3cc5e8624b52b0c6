/** Leased hosts behind a real sshd: what a lease guarantees, and how a host is cleaned. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { providerContract } from '../../contracts/provider.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { FOR_EVER, isAlive, until, written } from '../local/scratch.ts';
import { StaticSetup, signal } from './static-setup.ts';

const { describe, it } = needs('sshd');

let sshd: Sshd;
beforeAll(async () => {
  sshd = await Sshd.start();
});
afterAll(() => sshd.close());

describe('on leased hosts', () => providerContract('static', start));

async function start() {
  const setup = new StaticSetup(sshd, ['a', 'b', 'c', 'd']);
  return { provider: setup.provider(), close: () => setup.scratch.close() };
}

describe('a leased host', () => {
  let setup: StaticSetup;
  beforeEach(() => {
    setup = new StaticSetup(sshd, ['a', 'b']);
  });
  afterEach(() => setup.scratch.close());

  it('has its own directory, which is removed with the lease', async () => {
    const provider = setup.provider();
    const server = await provider.create(serverRequest(), signal);
    expect(server.address).toBe(
      `ssh://${sshd.user}@127.0.0.1:${sshd.port}${setup.scratch.disk}/a/${server.id}`,
    );
    expect(readdirSync(join(setup.scratch.disk, 'a', server.id)).sort()).toEqual(
      ['dependencies', 'home', 'runs', 'tmp', 'tree'].sort(),
    );
    expect(setup.leases()).toEqual(['a.json']);
    await provider.delete(server, 'ours', NEVER);
    expect([setup.disk('a'), setup.leases()]).toEqual([[], []]);
    expect(readdirSync(join(setup.scratch.stateDir, 'host-keys'))).toEqual([]);
  });

  it('is leased to one job at a time; the next one waits for it', async () => {
    const provider = setup.provider();
    const first = await provider.create(serverRequest(), signal);
    const second = await provider.create(serverRequest(), signal);
    expect(new Set([first, second].map(({ address }) => address.split('/').at(-2)))).toEqual(
      new Set(['a', 'b']),
    );
    const third = provider.create(serverRequest(), signal);
    await provider.delete(first, 'ours', NEVER);
    expect((await third).address).toContain('/a/');
  });

  it('is not waited for after an abort', async () => {
    const provider = setup.provider();
    for (const job of ['one', 'two']) await provider.create(serverRequest(job), signal);
    const giveUp = new AbortController();
    const third = provider.create(serverRequest(), giveUp.signal).catch((error: unknown) => error);
    giveUp.abort();
    expect(await third).toMatchObject({
      name: 'OperationError',
      message: 'aborted before a host was available: a is leased to job one; b is leased to job two',
    });
  });

  it('is cleared of every process of its job, in any session', async () => {
    const provider = setup.provider();
    const wanted = serverRequest();
    const server = await provider.create(wanted, signal);
    const script = `setsid sh -c "trap '' TERM; echo \\$\\$ >$1/hidden; while :; do sleep 0.1; done" & sleep ${FOR_EVER}`;
    const run = {
      ...setup.scratch.script(script),
      run: { server, owner: wanted.owner, stage: 'testing' as const },
    };
    const handle = await setup.scratch.runner().start(run, NEVER);
    const hidden = Number(await written(join(setup.scratch.root, 'hidden')));
    await provider.delete(server, 'ours', NEVER);
    expect([isAlive(hidden), isAlive(handle.pid)]).toEqual([false, false]);
    expect(setup.disk('a')).toEqual([]);
  });

  it('is opened for people: the ssh command logs in, secrets and processes are gone, files and lease stay', async () => {
    const provider = setup.provider();
    const wanted = serverRequest();
    const server = await provider.create(wanted, signal);
    const expected = join(setup.scratch.disk, 'a', server.id);
    mkdirSync(join(expected, 'secrets'));
    writeFileSync(join(expected, 'secrets', 'password'), 'hunter2');
    writeFileSync(join(expected, 'tree', 'failed.log'), 'traceback\n');
    const script = `setsid sh -c "echo \\$\\$ >$1/hidden; while :; do sleep 0.1; done" & sleep ${FOR_EVER}`;
    const run = { server, owner: wanted.owner, stage: 'testing' as const };
    await setup.scratch.runner().start({ ...setup.scratch.script(script), run }, NEVER);
    const hidden = Number(await written(join(setup.scratch.root, 'hidden')));
    const { command, directory } = await provider.open(server, NEVER);
    expect([isAlive(hidden), directory]).toEqual([false, expected]);
    expect(readdirSync(expected)).not.toContain('secrets');
    const log = execFileSync('sh', ['-c', `${command} cat ${directory}/tree/failed.log`], {
      encoding: 'utf8',
    });
    expect(log).toBe('traceback\n');
    expect(setup.leases()).toEqual(['a.json']);
    // The line accepts no other host key.
    const [keys = ''] = readdirSync(join(setup.scratch.stateDir, 'host-keys')).filter((name) =>
      name.endsWith('.known_hosts'),
    );
    writeFileSync(join(setup.scratch.stateDir, 'host-keys', keys), '');
    expect(spawnSync('sh', ['-c', `${command} true`], { encoding: 'utf8' })).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('Host key verification failed'),
    });
    await provider.delete(server, 'ours', NEVER);
    expect(readdirSync(join(setup.scratch.stateDir, 'host-keys'))).toEqual([]);
  });

  it('is still leased after a restart, and found by its owner', async () => {
    const wanted = serverRequest();
    const server = await setup.provider().create(wanted, signal);
    const next = setup.provider();
    expect(await next.list({ deployment: 'ours', job: wanted.owner.job }, NEVER)).toEqual([
      { server, owner: wanted.owner },
    ]);
    expect((await next.create(serverRequest(), signal)).address).toContain('/b/');
  });

  it('is released when the daemon was killed while it was being prepared', async () => {
    const server = await setup.provider().create(serverRequest(), signal);
    const file = join(setup.scratch.stateDir, 'leases', 'lab', 'a.json');
    // As it is on the disk until the host is ready.
    writeFileSync(file, readFileSync(file, 'utf8').replace('"ready":true', '"ready":false'));
    const next = setup.provider();
    expect(await next.list({ deployment: 'ours' }, NEVER)).toEqual([]);
    await until('the end of the lease', () => setup.leases().length === 0);
    expect(setup.disk('a')).not.toContain(server.id);
  });

  it('reports a lease that cannot be read', async () => {
    const provider = setup.provider();
    await provider.create(serverRequest(), signal);
    writeFileSync(join(setup.scratch.stateDir, 'leases', 'lab', 'a.json'), '{"host":');
    await expect(provider.list({ deployment: 'ours' }, NEVER)).rejects.toMatchObject({
      name: 'OperationError',
    });
  });

  it('is released once, however often this is requested, and never from its next owner', async () => {
    const provider = setup.provider();
    const first = await provider.create(serverRequest(), signal);
    await Promise.all([1, 2, 3].map(() => provider.delete(first, 'ours', NEVER)));
    const second = await provider.create(serverRequest(), signal);
    await provider.delete(first, 'ours', NEVER);
    expect((await provider.list({ deployment: 'ours' }, NEVER)).map(({ server }) => server.id)).toEqual([
      second.id,
    ]);
  });
});

describe('cleaning', () => {
  let setup: StaticSetup;
  afterEach(() => setup.scratch.close());
  const clean = (...argv: string[]) => ({ reset: { argv, timeoutMs: 10_000 } });

  it('runs before each job', async () => {
    setup = new StaticSetup(sshd, ['a']);
    const provider = setup.provider(clean('sh', '-c', `echo x >>'${setup.scratch.root}/cleaned'`));
    for (const times of [1, 2]) {
      const server = await provider.create(serverRequest(), signal);
      expect(readFileSync(join(setup.scratch.root, 'cleaned'), 'utf8')).toBe('x\n'.repeat(times));
      await provider.delete(server, 'ours', NEVER);
    }
  });

  it('that fails is reported with its last output, and another host is used', async () => {
    setup = new StaticSetup(sshd, ['a', 'b']);
    const script = 'case $PWD in */a/*) echo "disk is full" >&2; exit 3 ;; esac';
    const provider = setup.provider(clean('sh', '-c', script));
    expect((await provider.create(serverRequest(), signal)).address).toContain('/b/');
    expect(setup.leases()).toEqual(['b.json']);
    const giveUp = new AbortController();
    const waiting = provider.create(serverRequest(), giveUp.signal).catch((error: unknown) => error);
    await until('the second failure', () => setup.alarms.raised.length > 0);
    giveUp.abort();
    expect(await waiting).toMatchObject({
      retryable: true,
      message: expect.stringContaining('disk is full'),
    });
    expect(setup.alarms.raised).toMatchObject([{ kind: 'node-failing', target: 'lab/a' }]);
  });

  it('that never ends is killed, and leaves nothing', async () => {
    setup = new StaticSetup(sshd, ['a']);
    const provider = setup.provider({ reset: { argv: ['sleep', FOR_EVER], timeoutMs: 500 } });
    await expect(provider.create(serverRequest(), signal)).rejects.toMatchObject({
      message: expect.stringContaining('timedOut'),
    });
    expect([setup.leases(), setup.disk('a')]).toEqual([[], []]);
  });
});
