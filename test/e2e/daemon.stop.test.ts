/** A daemon that is stopped during a slow external call exits in time, and the next daemon finishes the work. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed.stop());

const STUBBORN = `trap '' TERM\nwhile :; do sleep 0.2; done\n`;

test('SIGTERM while a stage that ignores SIGTERM is being stopped: exits within 5 s, and the next start cleans up', async () => {
  const testCase = await testbed.newCase({ testing: STUBBORN });
  const daemon = await testCase.startDaemon();
  await testCase.push();
  await testCase.eventually('testing began', () => testCase.ledger('testing').length > 0);
  await testCase.amend('a newer patchset\n');
  await testCase.eventually('the older job is in cleanup', () =>
    testCase.jobs().some(({ state }) => state === 'cleanup.awaitingEffects'),
  );
  const stopStarted = performance.now();
  expect(await daemon.stop()).toBe(0);
  expect(performance.now() - stopStarted).toBeLessThan(5_000);
  const next = await testCase.startDaemon();
  await testCase.eventually('the job has ended', () =>
    testCase.jobs().some(({ ended, patchset }) => ended && patchset === 1),
  );
  expect(await testCase.findInconsistencies()).toEqual([]);
  await next.kill();
  await testCase.close();
});
