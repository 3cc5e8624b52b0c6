/** The number of available hosts: when the directory that records them cannot be watched, and without unreturned ones. */
import { expect, test } from 'vitest';
import { Capacity } from '../../../src/adapters/static/capacity.ts';
import type { Lease } from '../../../src/adapters/static/lease.ts';

const NONE_KEPT = { unreturned: async () => [], holdsSlot: () => false };

test('a directory that cannot be watched does not delay updates: they run on a timer', async () => {
  let now = 1_000;
  const reported: number[] = [];
  const health = {
    directory: '/nonexistent/hosts',
    read: async () => ({ failures: 2, quarantinedUntil: 1_050, why: 'away' }),
  };
  await new Promise<void>((resolve) => {
    const changed = (hosts: number): void => {
      reported.push(hosts);
      now = 2_000;
      if (reported.length === 2) resolve();
    };
    new Capacity({ ...{ hosts: ['a'], health, now: () => now, changed }, ...NONE_KEPT });
  });
  expect(reported).toEqual([0, 1]);
});

test('a host that was not returned counts as long as its job has a slot, unless the job got another host', async () => {
  const kept = (host: string, job: string, ready: boolean): Lease => ({
    ...{ host, ready, createdAt: 1, owner: { deployment: 'ours', job, attempt: 1 } },
    server: { id: host, name: host, address: '', provider: 'lab' },
  });
  const leases = [kept('a', 'runs', true), kept('b', 'ended', true), kept('c', 'runs', false)];
  const health = {
    directory: '/nonexistent/hosts',
    read: async () => ({ failures: 0, quarantinedUntil: 0, why: '' }),
  };
  const usable = await new Promise<number>((resolve) => {
    new Capacity({
      ...{ hosts: ['a', 'b', 'c', 'd', 'e'], health, now: () => 1_000, changed: resolve },
      ...{ unreturned: async () => leases, holdsSlot: (job) => job === 'runs' },
    });
  });
  expect(usable).toBe(3);
});
