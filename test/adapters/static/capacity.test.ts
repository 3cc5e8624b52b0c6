/** The number of available hosts, when the directory that records them cannot be watched. */
import { expect, test } from 'vitest';
import { Capacity } from '../../../src/adapters/static/capacity.ts';

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
    new Capacity({ hosts: ['a'], health, now: () => now, changed });
  });
  expect(reported).toEqual([0, 1]);
});
