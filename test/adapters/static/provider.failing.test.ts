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
import { Lab, signal } from './lab.ts';

const { it } = needs('sshd');

let sshd: Sshd;
beforeAll(async () => {
  sshd = await Sshd.start();
});
afterAll(() => sshd.close());

describe('a failing host', () => {
  let lab: Lab;
  afterEach(() => lab.scratch.close());

  it('is quarantined after the second failure, reported once, and tried again later', async () => {
    lab = new Lab(sshd, ['a']);
    const broken = { hosts: [{ ...lab.host('a'), hostKey: makeKeyPair('').publicKey }] };
    const provider = lab.provider(broken);
    for (const alarms of [0, 1]) {
      await expect(provider.create(serverRequest(), signal)).rejects.toMatchObject({
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
      .create(serverRequest(), giveUp.signal)
      .catch((error: unknown) => error);
    giveUp.abort();
    expect(await waiting).toMatchObject({ message: expect.stringContaining('a is put aside until') });
    lab.now += 61_000;
    const server = await lab.provider().create(serverRequest(), signal);
    expect(server.address).toContain('/a/');
  });

  it('returns at once when the operator removes its file', async () => {
    lab = new Lab(sshd, ['a'], { quarantineAfterFailures: 1 });
    const down = { hosts: [{ ...lab.host('a'), port: 1 }] };
    await expect(lab.provider(down).create(serverRequest(), signal)).rejects.toMatchObject({
      message: expect.stringContaining('ECONNREFUSED'),
    });
    rmSync(join(lab.scratch.stateDir, 'hosts', 'lab', 'a.json'));
    expect((await lab.provider().create(serverRequest(), signal)).address).toContain('/a/');
  });

  it('sends its job to another host, even if that has to become free first', async () => {
    lab = new Lab(sshd, ['a', 'b']);
    const provider = lab.provider({
      hosts: [{ ...lab.host('a'), hostKey: makeKeyPair('').publicKey }, lab.host('b')],
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
    lab = new Lab(sshd, ['a', 'b'], { quarantineAfterFailures: 1 });
    const broken = { hosts: [{ ...lab.host('a'), hostKey: makeKeyPair('').publicKey }, lab.host('b')] };
    const reported: number[] = [];
    const server = await lab
      .provider(broken, (hosts) => reported.push(hosts))
      .create(serverRequest(), signal);
    expect(server.address).toContain('/b/');
    await until('the news that there is one host', () => reported.at(-1) === 1);
    const reportedLater: number[] = [];
    lab.provider(broken, (hosts) => reportedLater.push(hosts));
    await until('the same after a restart', () => reportedLater.at(-1) === 1);
    rmSync(join(lab.scratch.stateDir, 'hosts', 'lab', 'a.json'));
    await until('the news that it is back', () => reported.at(-1) === 2 && reportedLater.at(-1) === 2);
    expect([reported, reportedLater]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it('gets jobs again when its quarantine is over', async () => {
    lab = new Lab(sshd, ['a'], { quarantineAfterFailures: 1, quarantineMs: 300 });
    const reported: number[] = [];
    lab.now = Date.now();
    const broken = { hosts: [{ ...lab.host('a'), hostKey: makeKeyPair('').publicKey }] };
    const failing = lab.provider(broken, (hosts) => {
      reported.push(hosts);
      lab.now += 1_000;
    });
    await expect(failing.create(serverRequest(), signal)).rejects.toMatchObject({
      operation: 'verify host key',
    });
    await until('the news that it is tried again', () => reported.length === 2);
    expect(reported).toEqual([0, 1]);
  });

  it('is verified by the key in the configuration, which must be valid', async () => {
    lab = new Lab(sshd, ['a', 'b']);
    await lab
      .provider({ hosts: [{ ...lab.host('a'), hostKey: sshd.hostKey }] })
      .create(serverRequest(), signal);
    const wrong = lab.provider({ hosts: [{ ...lab.host('b'), hostKey: 'ssh-ed25519 AAAA' }] });
    await expect(wrong.create(serverRequest(), signal)).rejects.toMatchObject({
      operation: 'look up host key',
      retryable: false,
    });
  });
});
