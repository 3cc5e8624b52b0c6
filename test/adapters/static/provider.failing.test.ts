/** Failing hosts: quarantine, the job on such a host, and the end of the quarantine. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { until } from '../local/scratch.ts';
import { StaticSetup, signal } from './static-setup.ts';

const { it } = needs('sshd');

let sshd: Sshd;
beforeAll(async () => {
  sshd = await Sshd.start();
});
afterAll(() => sshd.close());

describe('a failing host', () => {
  let setup: StaticSetup;
  afterEach(() => setup.scratch.close());

  it('is quarantined after the second failure, reported once, and tried again later', async () => {
    setup = new StaticSetup(sshd, ['a']);
    const broken = { hosts: [{ ...setup.host('a'), hostKey: makeKeyPair('').publicKey }] };
    const provider = setup.provider(broken);
    for (const alarms of [0, 1]) {
      await expect(provider.create(serverRequest(), signal)).rejects.toMatchObject({
        operation: 'verify host key',
      });
      expect(setup.alarms.raised).toHaveLength(alarms);
    }
    expect(setup.alarms.raised[0]).toMatchObject({
      kind: 'node-failing',
      target: 'lab/a',
      message: expect.stringMatching(
        /^host a is in quarantine until 20.*, after 2 failures: .*pinned for this server/,
      ),
    });
    // Another provider object, as after a restart, knows it too.
    const giveUp = new AbortController();
    const waiting = setup
      .provider()
      .create(serverRequest(), giveUp.signal)
      .catch((error: unknown) => error);
    giveUp.abort();
    expect(await waiting).toMatchObject({ message: expect.stringContaining('a is in quarantine until') });
    setup.now += 61_000;
    const server = await setup.provider().create(serverRequest(), signal);
    expect(server.address).toContain('/a/');
  });

  it('returns at once when the operator removes its file', async () => {
    setup = new StaticSetup(sshd, ['a'], { quarantineAfterFailures: 1 });
    const down = { hosts: [{ ...setup.host('a'), port: 1 }] };
    await expect(setup.provider(down).create(serverRequest(), signal)).rejects.toMatchObject({
      message: expect.stringContaining('ECONNREFUSED'),
    });
    rmSync(join(setup.scratch.stateDir, 'hosts', 'lab', 'a.json'));
    expect((await setup.provider().create(serverRequest(), signal)).address).toContain('/a/');
  });

  it('sends its job to another host, even if that has to become free first', async () => {
    setup = new StaticSetup(sshd, ['a', 'b']);
    const provider = setup.provider({
      hosts: [{ ...setup.host('a'), hostKey: makeKeyPair('').publicKey }, setup.host('b')],
    });
    const first = await provider.create(serverRequest(), signal);
    const second = provider.create(serverRequest(), signal);
    await provider.delete(first, 'ours', NEVER);
    expect([first.address, (await second).address]).toEqual([
      expect.stringContaining('/b/'),
      expect.stringContaining('/b/'),
    ]);
  });

  it('gets no job while it is quarantined, before and after a restart', async () => {
    setup = new StaticSetup(sshd, ['a', 'b'], { quarantineAfterFailures: 1 });
    const broken = { hosts: [{ ...setup.host('a'), hostKey: makeKeyPair('').publicKey }, setup.host('b')] };
    const reported: number[] = [];
    const server = await setup
      .provider(broken, (hosts) => reported.push(hosts))
      .create(serverRequest(), signal);
    expect(server.address).toContain('/b/');
    await until('a report of one host', () => reported.at(-1) === 1);
    const reportedLater: number[] = [];
    setup.provider(broken, (hosts) => reportedLater.push(hosts));
    await until('the same report after a restart', () => reportedLater.at(-1) === 1);
    rmSync(join(setup.scratch.stateDir, 'hosts', 'lab', 'a.json'));
    await until('a report that the host is back', () => reported.at(-1) === 2 && reportedLater.at(-1) === 2);
    expect([reported, reportedLater]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it('gets jobs again when its quarantine is over', async () => {
    setup = new StaticSetup(sshd, ['a'], { quarantineAfterFailures: 1, quarantineMs: 300 });
    const reported: number[] = [];
    setup.now = Date.now();
    const broken = { hosts: [{ ...setup.host('a'), hostKey: makeKeyPair('').publicKey }] };
    const failing = setup.provider(broken, (hosts) => {
      reported.push(hosts);
      setup.now += 1_000;
    });
    await expect(failing.create(serverRequest(), signal)).rejects.toMatchObject({
      operation: 'verify host key',
    });
    await until('a report that the host is tried again', () => reported.length === 2);
    expect(reported).toEqual([0, 1]);
  });

  it('keeps nothing of a job that it accepted but cannot run', async () => {
    const broken = await Sshd.start(['Subsystem other internal-sftp']);
    try {
      setup = new StaticSetup(broken, ['a']);
      await expect(setup.provider().create(serverRequest(), signal)).rejects.toMatchObject({
        operation: 'open SFTP',
      });
      expect([setup.leases(), setup.disk('a')]).toEqual([[], []]);
    } finally {
      await broken.close();
    }
  });

  it('is verified by the key in the configuration, which must be valid', async () => {
    setup = new StaticSetup(sshd, ['a', 'b']);
    await setup
      .provider({ hosts: [{ ...setup.host('a'), hostKey: sshd.hostKey }] })
      .create(serverRequest(), signal);
    const wrong = setup.provider({ hosts: [{ ...setup.host('b'), hostKey: 'ssh-ed25519 AAAA' }] });
    await expect(wrong.create(serverRequest(), signal)).rejects.toMatchObject({
      operation: 'look up host key',
      retryable: false,
    });
  });
});
