/** Hosts that are leased, behind a real sshd: what a lease promises, how a host is cleaned, and when it is put aside. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NodeUpkeep } from '../../../src/adapters/ssh/upkeep.ts';
import { StaticProvider } from '../../../src/adapters/static/provider.ts';
import type { StaticHostConfig, StaticProviderConfig } from '../../../src/config/config.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import type { EffectOf } from '../../../src/engine/ports.ts';
import { providerContract } from '../../contracts/provider.ts';
import { FakeAlarms } from '../../fakes/alarms.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { FOR_EVER, isAlive, until, written } from '../local/scratch.ts';
import { NodeScratch } from '../ssh/scratch.ts';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await Sshd.start();
});
afterAll(() => sshd.close());

/** A provider whose hosts are all this one, each with a disk of its own. */
class Lab {
  readonly scratch = new NodeScratch(sshd, { connectTimeoutMs: 5_000 });
  readonly alarms = new FakeAlarms();
  now = Date.now();
  readonly #hosts: readonly string[];
  readonly #change: Partial<StaticProviderConfig>;

  constructor(hosts: readonly string[], change: Partial<StaticProviderConfig> = {}) {
    this.#hosts = hosts;
    this.#change = change;
  }

  host(name: string): StaticHostConfig {
    const { user, port } = sshd;
    return { name, host: '127.0.0.1', port, user, directory: join(this.scratch.disk, name), hostKey: null };
  }

  provider(
    change: Partial<StaticProviderConfig> = {},
    onCapacity: (hosts: number) => void = () => {},
  ): StaticProvider {
    const { scratch, alarms } = this;
    const config: StaticProviderConfig = {
      type: 'static',
      name: 'lab',
      slots: this.#hosts.length,
      ssh: scratch.config,
      hosts: this.#hosts.map((name) => this.host(name)),
      clean: null,
      failures: 2,
      asideMs: 60_000,
      deleteTimeoutMs: 20_000,
      ...this.#change,
      ...change,
    };
    const { stateDir, nodes } = scratch;
    const upkeep = new NodeUpkeep({ stateDir, nodes, graceMs: 300, killTimeoutMs: 10_000 });
    return new StaticProvider({ config, stateDir, upkeep, alarms, onCapacity, now: () => this.now });
  }

  disk(host: string): readonly string[] {
    const directory = join(this.scratch.disk, host);
    return existsSync(directory) ? readdirSync(directory) : [];
  }

  leases(): readonly string[] {
    const directory = join(this.scratch.stateDir, 'leases', 'lab');
    return existsSync(directory) ? readdirSync(directory) : [];
  }
}

let made = 0;
function request(job = `job-${made}`): EffectOf<'createServer'> {
  made += 1;
  const owner = { deployment: 'ours', job, attempt: 1 };
  return {
    type: 'createServer',
    key: 'c',
    provider: 'lab',
    name: `sos-ci-${made}`,
    owner,
    timeoutMs: 60_000,
  };
}
const signal = new AbortController().signal;

providerContract('static', async () => {
  const lab = new Lab(['a', 'b', 'c', 'd']);
  return { provider: lab.provider(), close: () => lab.scratch.close() };
});

describe('a leased host', () => {
  let lab: Lab;
  beforeEach(() => {
    lab = new Lab(['a', 'b']);
  });
  afterEach(() => lab.scratch.close());

  it('has a directory of its own, which goes with the lease', async () => {
    const provider = lab.provider();
    const server = await provider.create(request(), signal);
    expect(server.address).toBe(
      `ssh://${sshd.user}@127.0.0.1:${sshd.port}${lab.scratch.disk}/a/${server.id}`,
    );
    expect(readdirSync(join(lab.scratch.disk, 'a', server.id)).sort()).toEqual(
      ['dependencies', 'home', 'runs', 'tmp', 'tree'].sort(),
    );
    expect(lab.leases()).toEqual(['a.json']);
    await provider.delete(server, 'ours');
    expect([lab.disk('a'), lab.leases()]).toEqual([[], []]);
    expect(readdirSync(join(lab.scratch.stateDir, 'host-keys'))).toEqual([]);
  });

  it('is leased to one job at a time; the next one waits for it', async () => {
    const provider = lab.provider();
    const first = await provider.create(request(), signal);
    const second = await provider.create(request(), signal);
    expect(new Set([first, second].map(({ address }) => address.split('/').at(-2)))).toEqual(
      new Set(['a', 'b']),
    );
    const third = provider.create(request(), signal);
    await provider.delete(first, 'ours');
    expect((await third).address).toContain('/a/');
  });

  it('is not waited for when nobody wants it any more', async () => {
    const provider = lab.provider();
    for (const job of ['one', 'two']) await provider.create(request(job), signal);
    const giveUp = new AbortController();
    const third = provider.create(request(), giveUp.signal).catch((error: unknown) => error);
    giveUp.abort();
    expect(await third).toMatchObject({
      name: 'OperationError',
      message: 'given up before a host could be had: a is leased to job one; b is leased to job two',
    });
  });

  it('loses every process of its job, in whatever session it hides', async () => {
    const provider = lab.provider();
    const wanted = request();
    const server = await provider.create(wanted, signal);
    const script = `setsid sh -c "trap '' TERM; echo \\$\\$ >$1/hidden; while :; do sleep 0.1; done" & sleep ${FOR_EVER}`;
    const run = {
      ...lab.scratch.script(script),
      run: { server, owner: wanted.owner, stage: 'testing' as const },
    };
    const handle = await lab.scratch.runner().start(run);
    const hidden = Number(await written(join(lab.scratch.root, 'hidden')));
    await provider.delete(server, 'ours');
    expect([isAlive(hidden), isAlive(handle.pid)]).toEqual([false, false]);
    expect(lab.disk('a')).toEqual([]);
  });

  it('is still leased after a restart, and found by its owner', async () => {
    const wanted = request();
    const server = await lab.provider().create(wanted, signal);
    const next = lab.provider();
    expect(await next.list({ deployment: 'ours', job: wanted.owner.job })).toEqual([
      { server, owner: wanted.owner },
    ]);
    expect((await next.create(request(), signal)).address).toContain('/b/');
  });

  it('is given back when the daemon was killed while it was being prepared', async () => {
    const server = await lab.provider().create(request(), signal);
    const file = join(lab.scratch.stateDir, 'leases', 'lab', 'a.json');
    // As it stands on the disk until the host is ready.
    writeFileSync(file, readFileSync(file, 'utf8').replace('"ready":true', '"ready":false'));
    const next = lab.provider();
    expect(await next.list({ deployment: 'ours' })).toEqual([]);
    await until('the end of the lease', () => lab.leases().length === 0);
    expect(lab.disk('a')).not.toContain(server.id);
  });

  it('refuses to guess when a lease can not be read', async () => {
    const provider = lab.provider();
    await provider.create(request(), signal);
    writeFileSync(join(lab.scratch.stateDir, 'leases', 'lab', 'a.json'), '{"host":');
    await expect(provider.list({ deployment: 'ours' })).rejects.toMatchObject({ name: 'OperationError' });
  });

  it('is given back once, however often it is asked for, and never from its next owner', async () => {
    const provider = lab.provider();
    const first = await provider.create(request(), signal);
    await Promise.all([1, 2, 3].map(() => provider.delete(first, 'ours')));
    const second = await provider.create(request(), signal);
    await provider.delete(first, 'ours');
    expect((await provider.list({ deployment: 'ours' })).map(({ server }) => server.id)).toEqual([second.id]);
  });
});

describe('cleaning', () => {
  let lab: Lab;
  afterEach(() => lab.scratch.close());
  const clean = (...argv: string[]) => ({ clean: { argv, timeoutMs: 10_000 } });

  it('comes before each job', async () => {
    lab = new Lab(['a']);
    const provider = lab.provider(clean('sh', '-c', `echo x >>'${lab.scratch.root}/cleaned'`));
    for (const times of [1, 2]) {
      const server = await provider.create(request(), signal);
      expect(readFileSync(join(lab.scratch.root, 'cleaned'), 'utf8')).toBe('x\n'.repeat(times));
      await provider.delete(server, 'ours');
    }
  });

  it('that fails is told with its last words, and takes another host', async () => {
    lab = new Lab(['a', 'b']);
    const script = 'case $PWD in */a/*) echo "disk is full" >&2; exit 3 ;; esac';
    const provider = lab.provider(clean('sh', '-c', script));
    expect((await provider.create(request(), signal)).address).toContain('/b/');
    expect(lab.leases()).toEqual(['b.json']);
    const giveUp = new AbortController();
    const waiting = provider.create(request(), giveUp.signal).catch((error: unknown) => error);
    await until('the second failure', () => lab.alarms.raised.length > 0);
    giveUp.abort();
    expect(await waiting).toMatchObject({
      retryable: true,
      message: expect.stringContaining('disk is full'),
    });
    expect(lab.alarms.raised).toMatchObject([{ kind: 'node-failing', target: 'lab/a' }]);
  });

  it('that never ends is ended, and leaves nothing', async () => {
    lab = new Lab(['a']);
    const provider = lab.provider({ clean: { argv: ['sleep', FOR_EVER], timeoutMs: 500 } });
    await expect(provider.create(request(), signal)).rejects.toMatchObject({
      message: expect.stringContaining('timedOut'),
    });
    expect([lab.leases(), lab.disk('a')]).toEqual([[], []]);
  });
});

describe('a host that fails', () => {
  let lab: Lab;
  afterEach(() => lab.scratch.close());

  it('is put aside after the second time, told once, and tried again later', async () => {
    lab = new Lab(['a']);
    const broken = { hosts: [{ ...lab.host('a'), hostKey: makeKeyPair('').publicKey }] };
    const provider = lab.provider(broken);
    for (const alarms of [0, 1]) {
      await expect(provider.create(request(), signal)).rejects.toMatchObject({
        operation: 'verify host key',
      });
      expect(lab.alarms.raised).toHaveLength(alarms);
    }
    expect(lab.alarms.raised[0]).toMatchObject({
      kind: 'node-failing',
      target: 'lab/a',
      message: expect.stringMatching(
        /^host a is put aside until 20.*, after 2 failures: .*pinned for this server/,
      ),
    });
    // Another provider object, as after a restart, knows it too.
    const giveUp = new AbortController();
    const waiting = lab
      .provider()
      .create(request(), giveUp.signal)
      .catch((error: unknown) => error);
    giveUp.abort();
    expect(await waiting).toMatchObject({ message: expect.stringContaining('a is put aside until') });
    lab.now += 61_000;
    const server = await lab.provider().create(request(), signal);
    expect(server.address).toContain('/a/');
  });

  it('comes back at once when the operator removes its file', async () => {
    lab = new Lab(['a'], { failures: 1 });
    const down = { hosts: [{ ...lab.host('a'), port: 1 }] };
    await expect(lab.provider(down).create(request(), signal)).rejects.toMatchObject({
      message: expect.stringContaining('ECONNREFUSED'),
    });
    rmSync(join(lab.scratch.stateDir, 'hosts', 'lab', 'a.json'));
    expect((await lab.provider().create(request(), signal)).address).toContain('/a/');
  });

  it('sends its job to another one, and be it that this has to become free', async () => {
    lab = new Lab(['a', 'b']);
    const provider = lab.provider({
      hosts: [{ ...lab.host('a'), hostKey: makeKeyPair('').publicKey }, lab.host('b')],
    });
    const first = await provider.create(request(), signal);
    const second = provider.create(request(), signal);
    await provider.delete(first, 'ours');
    expect([first.address, (await second).address]).toEqual([
      expect.stringContaining('/b/'),
      expect.stringContaining('/b/'),
    ]);
  });

  it('is no place for a job while it is put aside, before and after a restart', async () => {
    lab = new Lab(['a', 'b'], { failures: 1 });
    const broken = { hosts: [{ ...lab.host('a'), hostKey: makeKeyPair('').publicKey }, lab.host('b')] };
    const told: number[] = [];
    const server = await lab.provider(broken, (hosts) => told.push(hosts)).create(request(), signal);
    expect(server.address).toContain('/b/');
    await until('the news that there is one host', () => told.at(-1) === 1);
    const toldLater: number[] = [];
    lab.provider(broken, (hosts) => toldLater.push(hosts));
    await until('the same after a restart', () => toldLater.at(-1) === 1);
    rmSync(join(lab.scratch.stateDir, 'hosts', 'lab', 'a.json'));
    await until('the news that it is back', () => told.at(-1) === 2 && toldLater.at(-1) === 2);
    expect([told, toldLater]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it('is a place again when its time is over', async () => {
    lab = new Lab(['a'], { failures: 1, asideMs: 300 });
    const told: number[] = [];
    lab.now = Date.now();
    const broken = { hosts: [{ ...lab.host('a'), hostKey: makeKeyPair('').publicKey }] };
    const failing = lab.provider(broken, (hosts) => {
      told.push(hosts);
      lab.now += 1_000;
    });
    await expect(failing.create(request(), signal)).rejects.toMatchObject({ operation: 'verify host key' });
    await until('the news that it is tried again', () => told.length === 2);
    expect(told).toEqual([0, 1]);
  });

  it('is known by the key in the configuration, which must be one', async () => {
    lab = new Lab(['a', 'b']);
    await lab.provider({ hosts: [{ ...lab.host('a'), hostKey: sshd.hostKey }] }).create(request(), signal);
    const wrong = lab.provider({ hosts: [{ ...lab.host('b'), hostKey: 'ssh-ed25519 AAAA' }] });
    await expect(wrong.create(request(), signal)).rejects.toMatchObject({
      operation: 'look up host key',
      retryable: false,
    });
  });
});
