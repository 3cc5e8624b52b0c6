/** Hosts and a state directory that fail in ways that a real sshd does not show. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NEVER } from '../../fixtures/never.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { until } from '../local/scratch.ts';
import { FakeHosts, hostError } from './fake-access.ts';

let hosts: FakeHosts;
beforeEach(() => {
  hosts = new FakeHosts();
});
afterEach(() => hosts.close());

test('a host whose lease could not be written is leased to the next job', async () => {
  const provider = hosts.provider(['a']);
  const leases = join(hosts.stateDir, 'leases');
  writeFileSync(leases, 'a file in place of the directory');
  await expect(provider.create(serverRequest(), NEVER)).rejects.toMatchObject({ operation: 'lease host' });
  rmSync(leases);
  expect((await provider.create(serverRequest(), NEVER)).address).toContain('/a/');
});

test('a host that its job could not return takes a slot away until it is returned', async () => {
  const reported: number[] = [];
  const onCapacity = (usable: number) => reported.push(usable);
  const provider = hosts.provider(['a', 'b'], {}, { onCapacity });
  const server = await provider.create(serverRequest(), NEVER);
  const { wipe } = hosts.access;
  hosts.access.wipe = async () => {
    throw hostError('is dead');
  };
  await expect(provider.delete(server, 'ours', NEVER)).rejects.toThrow('is dead');
  await until('a report of one host', () => reported.length === 1);
  hosts.access.wipe = wipe;
  await provider.delete(server, 'ours', NEVER);
  await until('a report of both hosts', () => reported.length === 2);
  expect(reported).toEqual([1, 2]);
});

test('a reset that never ends counts as a failure of the host, unless it got less than half of the time', async () => {
  const reset = { argv: ['reset'], timeoutMs: 20 * 60_000 };
  const provider = hosts.provider(['a', 'b'], { reset });
  const limits: number[] = [];
  hosts.access.run = async (_server, _argv, timeoutMs) => {
    limits.push(timeoutMs);
    throw hostError('timed out');
  };
  const create = (timeoutMs: number) => provider.create({ ...serverRequest(), timeoutMs }, NEVER);
  await expect(create(15 * 60_000)).rejects.toThrow('timed out');
  for (const limit of limits) {
    expect(limit).toBeGreaterThan(14 * 60_000);
    expect(limit).toBeLessThanOrEqual(14.5 * 60_000);
  }
  limits.splice(0);
  await expect(create(50_000)).rejects.toThrow('timed out');
  expect(limits).toEqual([reset.timeoutMs, reset.timeoutMs]);
});

test('a host is returned once, also by the instances before and after a reload', async () => {
  const [former, next] = [hosts.provider(['a']), hosts.provider(['a'])];
  const server = await former.create(serverRequest(), NEVER);
  let wipes = 0;
  hosts.access.wipe = async () => {
    wipes += 1;
    for (let turn = 0; turn < 100 && wipes < 2; turn += 1) await setImmediate();
  };
  await Promise.all([former, next].map((provider) => provider.delete(server, 'ours', NEVER)));
  expect(wipes).toBe(1);
});

test('deleting a server whose lease an operator removed keeps the lease of the next job', async () => {
  const provider = hosts.provider(['a']);
  const server = await provider.create(serverRequest(), NEVER);
  hosts.access.wipe = async () => {
    rmSync(join(hosts.stateDir, 'leases', 'lab', 'a.json'));
    await provider.create(serverRequest(), NEVER);
  };
  await provider.delete(server, 'ours', NEVER);
  expect(await provider.list({ deployment: 'ours' }, NEVER)).toHaveLength(1);
});
