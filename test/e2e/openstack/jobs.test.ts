/**
 * Jobs on servers of a real OpenStack, from a push to a real Gerrit to its review; afterwards none of our resources is
 * left.
 */
import { expect, test } from 'vitest';
import { WAIT_FOR_GO } from './case.ts';
import { Cloud } from './cloud.ts';
import { CloudTestbed } from './cloud-testbed.ts';
import { LOOK_ALIKES_OF_EACH_KIND } from './look-alikes.ts';

const testbed = new CloudTestbed();
const { cloud } = testbed;

test('a patchset is tested on a server with two networks, and its review is posted', async () => {
  const addresses = "ip -4 -o address show scope global | grep -c 'eth[01]'";
  const testCase = await testbed.newCase({
    provider: { networks: ['private', 'storage'] },
    testing: `${WAIT_FOR_GO}[ "$(${addresses})" = 2 ] && pass || fail\n`,
  });
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const id = await testCase.eventually('the test runs', () => cloud.testing());
  const { servers, ports, keypairs } = await cloud.resources();
  const ours = servers.find((server) => server.id === id);
  expect(Object.keys(ours?.addresses ?? {}).sort()).toEqual(['private', 'storage']);
  expect(ports.filter(({ device_id: device }) => device === id)).toHaveLength(2);
  expect(keypairs.map(({ name }) => name)).toContain(ours?.key_name);
  cloud.go(id);
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('SUCCESS');
  expect(await testCase.vote(change)).toBe(1);
  await testbed.settled(testCase);
  expect(await daemon.stop()).toBe(0);
});

test('a failed test gives a negative vote, a failed setup gives no vote', async () => {
  const testCase = await testbed.newCase({ testing: 'fail\n' });
  const daemon = await testCase.startDaemon();
  const fails = await testCase.checkout().push();
  const breaks = await testCase
    .checkout()
    .push({ files: { 'stack.sh': '#!/bin/sh\necho no package >&2; exit 3\n' } });
  const [failed] = await testCase.reported(fails);
  const [broken] = await testCase.reported(breaks);
  expect(failed?.text).toContain('a volume can shrink');
  expect(await testCase.vote(fails)).toBe(-1);
  expect(broken?.text).toContain('RETRY_LIMIT');
  expect(await testCase.vote(breaks)).toBe(0);
  await testbed.settled(testCase, 2);
  expect(await daemon.stop()).toBe(0);
});

test('a server that never answers over SSH is NODE_FAILURE, with its console', async () => {
  // This host has no route to this network.
  const provider = { floatingNetwork: 'public' };
  const testCase = await testbed.newCase({
    provider,
    limits: { bootTimeout: '40s', setupAttempts: 1 },
  });
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('NODE_FAILURE');
  expect(message?.text).toContain('console');
  expect(await testCase.vote(change)).toBe(0);
  await testbed.settled(testCase);
  expect(await daemon.stop()).toBe(0);
});

test('a server that is deleted under its test is NODE_FAILURE long before the deadline of the test', async () => {
  // Beyond every limit of this case.
  const testing = { command: ['./test.sh'], timeout: '2h', results: 'results.tap' };
  const testCase = await testbed.newCase({ testing: WAIT_FOR_GO, job: { testing } });
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const id = await testCase.eventually('the test runs', () => cloud.testing());
  await cloud.call('compute', 'DELETE', `servers/${id}`);
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('NODE_FAILURE');
  expect(message?.text).toContain('the server was deleted');
  expect(await testCase.vote(change)).toBe(0);
  await testbed.settled(testCase);
  expect(await testCase.messages(change)).toHaveLength(1);
  expect(await daemon.stop()).toBe(0);
});

test('a server boots from a volume and is reached at its floating IP', async () => {
  const testCase = await testbed.newCase({
    provider: { bootVolume: 1, floatingNetwork: 'public' },
    testing: `${WAIT_FOR_GO}pass\n`,
  });
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const floating = await testCase.eventually('a floating IP', () => cloud.routeFloatingAddress());
  const id = await testCase.eventually('the test runs', () => cloud.testing());
  const { servers, volumes } = await cloud.resources();
  const ours = servers.find((server) => server.id === id);
  expect(JSON.stringify(ours?.addresses)).toContain(floating);
  const attached = volumes.filter(({ attachments }) => JSON.stringify(attachments).includes(id));
  expect(attached).toMatchObject([{ bootable: 'true', size: 1 }]);
  expect(JSON.stringify(ours?.metadata)).toContain(`root@${floating}`);
  cloud.go(id);
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('SUCCESS');
  await testbed.settled(testCase);
  expect(await daemon.stop()).toBe(0);
});

test('ten jobs share a quota of three servers', { timeout: 600_000 }, async () => {
  const admin = new Cloud('admin');
  const room = 3;
  const limit = LOOK_ALIKES_OF_EACH_KIND + room;
  const restore = await admin.limitServers(await cloud.projectId(), limit);
  try {
    const testCase = await testbed.newCase({ provider: { slots: 10 }, limitMs: 560_000 });
    const daemon = await testCase.startDaemon();
    const changes: number[] = [];
    for (let count = 0; count < 10; count += 1) changes.push(await testCase.checkout().push());
    const waiting = new RegExp(`lab is full: ${room} jobs .instances: \\d of ${limit} used`);
    let most = 0;
    let queue = '';
    let states = '';
    const poll = async () => {
      // Every question is work for the cloud, and the number of servers changes with the states of jobs only.
      const now = testCase.jobs().join();
      if (now === states) return testCase.ended(10);
      states = now;
      const { servers } = await cloud.call('compute', 'GET', 'servers');
      most = Math.max(most, (servers as readonly unknown[]).length - LOOK_ALIKES_OF_EACH_KIND);
      if (!waiting.test(queue)) queue = (await testCase.runCli('jobs')).text;
      return testCase.ended(10);
    };
    await testCase.eventually('all ten jobs have ended', poll);
    expect(queue).toMatch(waiting);
    expect(most).toBe(room);
    for (const change of changes) {
      const messages = await testCase.messages(change);
      expect(messages.map(({ text }) => /SUCCESS/.test(text))).toEqual([true]);
    }
    await testbed.settled(testCase, 10);
    expect(await daemon.stop()).toBe(0);
  } finally {
    await restore();
  }
});
