/** Jobs on servers of a real OpenStack, from a push to a real Gerrit to its review; and nothing of ours is left. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../gerrit/rig.ts';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { cloudCase, WAIT_FOR_GO } from './case.ts';
import { Cloud } from './cloud.ts';
import { Strangers } from './strangers.ts';

const cloud = new Cloud();
let rig: Rig;
let strangers: Strangers;
beforeAll(async () => {
  rig = await Rig.on(sharedGerrit());
  strangers = await Strangers.make(cloud);
});
afterAll(() => rig?.stop());

test('a patchset is tested on a server with two networks, and its review is posted', async () => {
  const addresses = "ip -4 -o address show scope global | grep -c 'eth[01]'";
  const one = await cloudCase(rig, cloud, {
    provider: { networks: ['private', 'storage'] },
    testing: `${WAIT_FOR_GO}[ "$(${addresses})" = 2 ] && pass || fail\n`,
  });
  const daemon = await one.startDaemon();
  const change = await one.checkout().push();
  const id = await one.eventually('the test runs', () => cloud.testing());
  const { servers, ports, keypairs } = await cloud.holdings();
  const ours = servers.find((server) => server.id === id);
  expect(Object.keys(ours?.addresses ?? {}).sort()).toEqual(['private', 'storage']);
  expect(ports.filter(({ device_id: device }) => device === id)).toHaveLength(2);
  expect(keypairs.map(({ name }) => name)).toContain(ours?.key_name);
  cloud.go(id);
  const [message] = await one.reported(change);
  expect(message?.text).toContain('SUCCESS');
  expect(await one.vote(change)).toBe(1);
  await one.settled();
  expect(await strangers.others()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a test that fails is a negative vote, a setup that fails is none', async () => {
  const one = await cloudCase(rig, cloud, { testing: 'fail\n' });
  const daemon = await one.startDaemon();
  const fails = await one.checkout().push();
  const breaks = await one
    .checkout()
    .push({ files: { 'stack.sh': '#!/bin/sh\necho no package >&2; exit 3\n' } });
  const [failed] = await one.reported(fails);
  const [broken] = await one.reported(breaks);
  expect(failed?.text).toContain('a volume can shrink');
  expect(await one.vote(fails)).toBe(-1);
  expect(broken?.text).toContain('RETRY_LIMIT');
  expect(await one.vote(breaks)).toBe(0);
  await one.settled(2);
  expect(await strangers.others()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('a server that never answers by SSH is NODE_FAILURE, with its console', async () => {
  // Nobody routes to this network's addresses here.
  const provider = { floatingNetwork: 'public' };
  const one = await cloudCase(rig, cloud, { provider, limits: { bootTimeout: '40s', setupAttempts: 1 } });
  const daemon = await one.startDaemon();
  const change = await one.checkout().push();
  const [message] = await one.reported(change);
  expect(message?.text).toContain('NODE_FAILURE');
  expect(message?.text).toContain('console');
  expect(await one.vote(change)).toBe(0);
  await one.settled();
  expect(await strangers.others()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});
