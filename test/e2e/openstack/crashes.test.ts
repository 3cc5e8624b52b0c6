/**
 * The daemon is killed, services stop and responses are lost: the job continues, and none of our resources is left in
 * the cloud.
 */
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { Testbed } from '../gerrit/testbed.ts';
import { newCloudCase, WAIT_FOR_GO } from './case.ts';
import { Cloud, type Resources } from './cloud.ts';
import { LOOK_ALIKES_OF_EACH_KIND, LookAlikes } from './look-alikes.ts';

const cloud = new Cloud();
let testbed: Testbed;
let lookAlikes: LookAlikes;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
  lookAlikes = await LookAlikes.make(cloud);
});
afterAll(() => testbed?.stop());

test('the daemon is killed after each call that creates something, and in each stage', async () => {
  const testCase = await newCloudCase(testbed, cloud, {
    provider: { networks: ['private', 'storage'] },
    testing: `${WAIT_FOR_GO}pass\n`,
    limits: { setupAttempts: 9 },
  });
  let daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const more = async (kind: keyof Resources, count: number) =>
    (await cloud.resources())[kind].length >= LOOK_ALIKES_OF_EACH_KIND + count;
  const killPoints = [
    () => more('keypairs', 1),
    () => more('ports', 1),
    () => more('ports', 2),
    () => more('servers', 1),
    () => testCase.jobs().some((job) => / stacking| testing/.test(job)),
    async () => (await cloud.testing()) !== null,
  ];
  for (const [index, killPoint] of killPoints.entries()) {
    await testCase.eventually(`instant ${index}`, killPoint);
    await daemon.kill();
    daemon = await testCase.startDaemon();
  }
  const id = await testCase.eventually('the test still runs', () => cloud.testing());
  cloud.go(id);
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('SUCCESS');
  expect(await testCase.vote(change)).toBe(1);
  await testCase.settled();
  expect(await testCase.messages(change)).toHaveLength(1);
  expect(await lookAlikes.differences()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('Nova answers 500 to the call that creates the server, which exists', async () => {
  const proxy = await losingProxy(8774);
  const admin = new Cloud('admin');
  const restore = await admin.moveEndpoint('compute', proxy.port);
  try {
    const testCase = await newCloudCase(testbed, cloud);
    const daemon = await testCase.startDaemon();
    const change = await testCase.checkout().push();
    const [message] = await testCase.reported(change);
    expect(message?.text).toContain('SUCCESS');
    await testCase.settled();
    expect(proxy.creations()).toBe(1);
    expect(await lookAlikes.differences()).toEqual([]);
    expect(await daemon.stop()).toBe(0);
  } finally {
    await restore();
    proxy.close();
  }
});

test.each(['keystone', 'neutron', 'nova'] as const)(
  '%s is down when the job ends, and starts again',
  async (service) => {
    const testCase = await newCloudCase(testbed, cloud, { testing: `${WAIT_FOR_GO}pass\n` });
    const daemon = await testCase.startDaemon();
    const change = await testCase.checkout().push();
    const id = await testCase.eventually('the test runs', () => cloud.testing());
    cloud.stop(service);
    cloud.go(id);
    const [message] = await testCase.reported(change);
    expect(message?.text).toContain('SUCCESS');
    cloud.start(service);
    await testCase.settled();
    await testCase.eventually(
      'nothing is left',
      async () => (await lookAlikes.differences().catch(() => ['unknown'])).length === 0,
    );
    expect(await daemon.stop()).toBe(0);
  },
);

/** Forwards to this port, and replaces the response to the first call that creates a server with a 500. */
async function losingProxy(port: number) {
  let creations = 0;
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const creates = method === 'POST' && /\/servers$/.test(url ?? '');
    if (creates) creations += 1;
    const lose = creates && creations === 1;
    const onward = forward({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      if (!lose) {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      answer.resume().once('end', () => outgoing.writeHead(500).end('lost'));
    });
    onward.once('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    creations: () => creations,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
