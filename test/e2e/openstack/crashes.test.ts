/** The daemon is killed, services go away and answers are lost: the job goes on, and nothing of ours is left in the cloud. */
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../gerrit/rig.ts';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { cloudCase, WAIT_FOR_GO } from './case.ts';
import { Cloud, type Holdings } from './cloud.ts';
import { LOOK_ALIKES, Strangers } from './strangers.ts';

const cloud = new Cloud();
let rig: Rig;
let strangers: Strangers;
beforeAll(async () => {
  rig = await Rig.on(sharedGerrit());
  strangers = await Strangers.make(cloud);
});
afterAll(() => rig?.stop());

test('the daemon is killed after each call that creates something, and in each stage', async () => {
  const one = await cloudCase(rig, cloud, {
    provider: { networks: ['private', 'storage'] },
    testing: `${WAIT_FOR_GO}pass\n`,
    limits: { setupAttempts: 9 },
  });
  let daemon = await one.startDaemon();
  const change = await one.checkout().push();
  const more = async (kind: keyof Holdings, count: number) =>
    (await cloud.holdings())[kind].length >= LOOK_ALIKES + count;
  const instants = [
    () => more('keypairs', 1),
    () => more('ports', 1),
    () => more('ports', 2),
    () => more('servers', 1),
    () => one.jobs().some((job) => / stacking| testing/.test(job)),
    async () => (await cloud.testing()) !== null,
  ];
  for (const [index, instant] of instants.entries()) {
    await one.eventually(`instant ${index}`, instant);
    await daemon.kill();
    daemon = await one.startDaemon();
  }
  const id = await one.eventually('the test still runs', () => cloud.testing());
  cloud.go(id);
  const [message] = await one.reported(change);
  expect(message?.text).toContain('SUCCESS');
  expect(await one.vote(change)).toBe(1);
  await one.settled();
  expect(await one.messages(change)).toHaveLength(1);
  expect(await strangers.others()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('Nova answers 500 to the call that creates the server, which exists', async () => {
  const proxy = await losingProxy(8774);
  const admin = new Cloud('admin');
  const restore = await admin.moveEndpoint('compute', proxy.port);
  try {
    const one = await cloudCase(rig, cloud);
    const daemon = await one.startDaemon();
    const change = await one.checkout().push();
    const [message] = await one.reported(change);
    expect(message?.text).toContain('SUCCESS');
    await one.settled();
    expect(proxy.creations()).toBe(1);
    expect(await strangers.others()).toEqual([]);
    expect(await daemon.stop()).toBe(0);
  } finally {
    await restore();
    proxy.close();
  }
});

test.each(['keystone', 'neutron', 'nova'] as const)(
  '%s is away when the job ends, and comes back',
  async (service) => {
    const one = await cloudCase(rig, cloud, { testing: `${WAIT_FOR_GO}pass\n` });
    const daemon = await one.startDaemon();
    const change = await one.checkout().push();
    const id = await one.eventually('the test runs', () => cloud.testing());
    cloud.stop(service);
    cloud.go(id);
    const [message] = await one.reported(change);
    expect(message?.text).toContain('SUCCESS');
    cloud.start(service);
    await one.settled();
    await one.eventually(
      'nothing is left',
      async () => (await strangers.others().catch(() => ['unknown'])).length === 0,
    );
    expect(await daemon.stop()).toBe(0);
  },
);

/** Forwards to this port, and loses the answer to the first call that creates a server after it took effect. */
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
