/**
 * Jobs on servers of a real OpenStack, from a push to a real Gerrit to its review; afterwards none of our resources is
 * left.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { Testbed } from '../gerrit/testbed.ts';
import { newCloudCase, WAIT_FOR_GO } from './case.ts';
import { Cloud } from './cloud.ts';
import { LookAlikes } from './look-alikes.ts';

const cloud = new Cloud();
let testbed: Testbed;
let lookAlikes: LookAlikes;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
  lookAlikes = await LookAlikes.make(cloud);
});
afterAll(() => testbed?.stop());

test('a patchset is tested on a server with two networks, and its review is posted', async () => {
  const addresses = "ip -4 -o address show scope global | grep -c 'eth[01]'";
  const testCase = await newCloudCase(testbed, cloud, {
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
  await testCase.settled();
  expect(await lookAlikes.differences()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a failed test gives a negative vote, a failed setup gives no vote', async () => {
  const testCase = await newCloudCase(testbed, cloud, { testing: 'fail\n' });
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
  await testCase.settled(2);
  expect(await lookAlikes.differences()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a server that never answers by SSH is NODE_FAILURE, with its console', async () => {
  // This host has no route to this network.
  const provider = { floatingNetwork: 'public' };
  const testCase = await newCloudCase(testbed, cloud, {
    provider,
    limits: { bootTimeout: '40s', setupAttempts: 1 },
  });
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('NODE_FAILURE');
  expect(message?.text).toContain('console');
  expect(await testCase.vote(change)).toBe(0);
  await testCase.settled();
  expect(await lookAlikes.differences()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});
