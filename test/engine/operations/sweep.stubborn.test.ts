/** What cannot be removed does not keep the sweep from removing the rest, and is tried again, ever less often. */

import { expect, test } from 'vitest';
import { OperationError } from '../../../src/errors.ts';
import { failure } from '../../machines/facts.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { DEPLOYMENT } from '../../scenarios/daemon.ts';
import { wrapProvider } from '../../scenarios/faults.ts';
import { created } from '../../scenarios/gerrit-events.ts';

const JOB = 'j00002';

/** An ended job, and a cloud that refuses to delete the server with the name `locked`. */
async function lockedServer() {
  const cloud = { locked: '' };
  const ci = new CiHarness({
    wrapAdapters: wrapProvider((inner) => ({
      delete: async (server, deployment, signal) => {
        if (server.name === cloud.locked) throw new OperationError(failure('delete server'));
        await inner.delete(server, deployment, signal);
      },
    })),
  });
  await ci.start();
  ci.emit(created());
  await ci.run();
  const { sweep } = ci.daemon;
  await sweep.run();
  const leak = (name: string) =>
    ci.provider.add({ name, owner: { deployment: DEPLOYMENT, job: JOB, attempt: 1 } });
  const left = () => ci.provider.servers().map(({ server }) => server.name);
  const rows = (type: string) => ci.store.rows(JOB).filter((row) => row.type === type);
  return { ci, cloud, sweep, leak, left, rows };
}

test('a server that cannot be removed is reported, retried, and does not block the others', async () => {
  const { ci, cloud, sweep, leak, left } = await lockedServer();
  cloud.locked = 'oldest';
  for (const name of ['oldest', 'newer', 'newest']) leak(name);
  expect(await sweep.run()).toBe(0);
  expect(await sweep.run()).toBe(2);
  expect(left()).toEqual(['oldest']);
  expect(ci.alarms.raised).toMatchObject([{ kind: 'server-leaked', target: 'oldest', hint: 'fix it' }]);
  expect((await sweep.leaks()).leaks).toMatchObject([
    { name: 'oldest', kind: 'server', job: JOB, state: 'remove-failed', why: 'it broke' },
  ]);
  cloud.locked = '';
  expect(await sweep.run()).toBe(1);
  expect(left()).toEqual([]);
  expect(ci.alarms.raised.at(-1)).toMatchObject({ kind: 'server-leaked', target: 'oldest', cleared: true });
});

test('the next daemon clears the alarm about a server that it removes', async () => {
  const { ci, cloud, sweep, leak } = await lockedServer();
  cloud.locked = 'stuck';
  leak('stuck');
  for (let round = 0; round < 2; round += 1) await sweep.run();
  expect(ci.alarms.raised).toMatchObject([{ kind: 'server-leaked', target: 'stuck' }]);
  await ci.restart();
  cloud.locked = '';
  for (let round = 0; round < 2; round += 1) await ci.daemon.sweep.run();
  expect(ci.alarms.raised.slice(1)).toMatchObject([
    { kind: 'server-leaked', target: 'stuck', cleared: true },
  ]);
});

test('a server that can never be removed costs a bounded number of rows', async () => {
  const { ci, cloud, leak, rows } = await lockedServer();
  cloud.locked = 'stuck';
  leak('stuck');
  await ci.clock.advance(3 * 86_400_000);
  await ci.untilIdle();
  const before = rows('leak.remove-failed').length;
  expect(before).toBeLessThan(20);
  await ci.clock.advance(10 * 86_400_000);
  await ci.untilIdle();
  const added = rows('leak.remove-failed').length - before;
  expect(added).toBeGreaterThanOrEqual(9);
  expect(added).toBeLessThanOrEqual(11);
});

test('a provider that never responds ends one round, not the sweep', async () => {
  const { ci, sweep, leak, left } = await lockedServer();
  leak('left');
  ci.provider.holdNext('answer', 'list');
  const hanging = sweep.run();
  await ci.clock.advance(300_000);
  expect(await hanging).toBe(0);
  await sweep.run();
  expect(await sweep.run()).toBe(1);
  expect(left()).toEqual([]);
});
