/**
 * The daemon is killed, services stop and responses are lost: the job continues, and none of our resources is left in
 * the cloud.
 */
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { EXHAUSTIVE } from '../../fixtures/effort.ts';
import { FaultyProgram } from '../faulty-program.ts';
import type { TestCase } from '../gerrit/case.ts';
import { WAIT_FOR_GO } from './case.ts';
import { Cloud, type Resources } from './cloud.ts';
import { CloudTestbed } from './cloud-testbed.ts';
import { LOOK_ALIKES_OF_EACH_KIND } from './look-alikes.ts';

const faulty = new FaultyProgram();
afterAll(() => faulty.remove());
const testbed = new CloudTestbed();
const { cloud } = testbed;
const OUTAGE_MS = EXHAUSTIVE ? 60_000 : 15_000;
const OUTAGES = { timeout: 600_000 };

test('the daemon is killed after each call that creates something, and twice in each state', async () => {
  const testCase = await testbed.newCase({
    provider: { networks: ['private', 'storage'] },
    testing: `${WAIT_FOR_GO}pass\n`,
    limits: { setupAttempts: 9 },
  });
  const crashAt = async (...points: readonly string[]) => {
    for (const point of points) await testCase.crashAt(faulty.main, point);
  };
  const first = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  await testCase.eventually('the job is accepted', () => testCase.jobs().length > 0);
  await first.kill();
  // Queued, until the patchset is merged.
  await crashAt('before:mergePatchset#1', 'after:mergePatchset#1');
  // Booting.
  const more = async (kind: keyof Resources, count: number) =>
    (await cloud.list(kind)).length >= LOOK_ALIKES_OF_EACH_KIND + count;
  const killPoints = [
    () => more('keypairs', 1),
    () => more('ports', 1),
    () => more('ports', 2),
    () => more('servers', 1),
  ];
  for (const [index, killPoint] of killPoints.entries()) {
    const daemon = await testCase.startDaemon();
    await testCase.eventually(`kill point ${index}`, killPoint);
    await daemon.kill();
  }
  // Stacking.
  await crashAt('before:fetchPatchset#1', 'after:fetchPatchset#1');
  // Testing.
  await crashAt('before:runStage#2', 'after:runStage#1');
  const id = await testCase.eventually('the test runs', () => cloud.testing());
  cloud.go(id);
  // Publishing; and reporting, while Nova is down so that cleanup does not get ahead.
  await crashAt('before:collectEvidence#1', 'after:publishEvidence#1');
  cloud.stop('nova');
  await crashAt('before:postReview#1', 'after:postReview#1');
  cloud.start('nova');
  // Cleanup.
  await crashAt('before:deleteServer#1', 'after:deleteServer#1');
  const daemon = await testCase.startDaemon();
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('SUCCESS');
  expect(await testCase.vote(change)).toBe(1);
  await testbed.settled(testCase);
  expect(await testCase.messages(change)).toHaveLength(1);
  expect(await daemon.stop()).toBe(0);
});

test('every token expires while the test runs', async () => {
  const testCase = await testbed.newCase({ testing: `${WAIT_FOR_GO}pass\n` });
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const id = await testCase.eventually('the test runs', () => cloud.testing());
  const user = await cloud.userId();
  const before = cloud.refusals('nova');
  await new Cloud('admin').revokeTokens(user);
  cloud.go(id);
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('SUCCESS');
  cloud.forgetToken();
  await testbed.settled(testCase);
  expect(cloud.refusals('nova')).toBeGreaterThan(before);
  expect(await daemon.stop()).toBe(0);
});

test('Nova answers 500 to the call that creates the server, which exists', async () => {
  const proxy = await losingProxy(8774);
  const admin = new Cloud('admin');
  const restore = await admin.moveEndpoint('compute', proxy.port);
  try {
    const testCase = await testbed.newCase();
    const daemon = await testCase.startDaemon();
    const change = await testCase.checkout().push();
    const [message] = await testCase.reported(change);
    expect(message?.text).toContain('SUCCESS');
    await testbed.settled(testCase);
    expect(proxy.creations()).toBe(1);
    expect(await daemon.stop()).toBe(0);
  } finally {
    await restore();
    proxy.close();
  }
});

test(
  `Keystone, Nova and Neutron are down for ${OUTAGE_MS / 1_000} s, one after the other, when the job ends`,
  OUTAGES,
  async () => {
    const testCase = await testbed.newCase({ testing: `${WAIT_FOR_GO}pass\n` });
    const daemon = await testCase.startDaemon();
    const change = await testCase.checkout().push();
    const id = await testCase.eventually('the test runs', () => cloud.testing());
    cloud.stop('keystone');
    cloud.go(id);
    const [message] = await testCase.reported(change);
    expect(message?.text).toContain('SUCCESS');
    await setTimeout(OUTAGE_MS);
    cloud.stop('nova');
    cloud.start('keystone');
    await setTimeout(OUTAGE_MS);
    cloud.stop('neutron');
    cloud.start('nova');
    await setTimeout(OUTAGE_MS);
    cloud.start('neutron');
    await testCase.settled(1, OUTAGES.timeout);
    expect(failedDeletions(testCase)).toBeGreaterThan(0);
    // Nova has answered before its cells and Neutron have forgotten everything.
    await testCase.eventually(
      'nothing is left',
      async () => (await testbed.differences().catch(() => ['unknown'])).length === 0,
    );
    expect(await daemon.stop()).toBe(0);
  },
);

function failedDeletions(testCase: TestCase): number {
  return testCase.read((reader) => {
    const rows = reader.jobs({ limit: 10 }).flatMap(({ id }) => reader.rows(id));
    return rows.filter(({ type }) => type === 'server.delete-failed').length;
  });
}

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
