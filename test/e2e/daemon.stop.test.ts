/** A daemon that is stopped during a slow external call: it exits in time, and the next one finishes the work. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

const STUBBORN = `trap '' TERM\nwhile :; do sleep 0.2; done\n`;

test('SIGTERM while a stage that ignores SIGTERM is being stopped: exits within 5 s, and the next start cleans up', async () => {
  const one = await rig.newCase({ testing: STUBBORN });
  const daemon = await one.startDaemon();
  await one.push();
  await one.eventually('testing began', () => one.ledger('testing').length > 0);
  await one.amend('a newer patchset\n');
  await one.eventually('the older one is cleared away', () =>
    one.jobs().some(({ state }) => state === 'cleanup.awaitingEffects'),
  );
  const asked = performance.now();
  expect(await daemon.stop()).toBe(0);
  expect(performance.now() - asked).toBeLessThan(5_000);
  const next = await one.startDaemon();
  await one.eventually('it has ended', () =>
    one.jobs().some(({ ended, patchset }) => ended && patchset === 1),
  );
  expect(one.unsound()).toEqual([]);
  await next.kill();
  await one.close();
});
