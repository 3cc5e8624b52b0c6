/** Published evidence expires by age, never while a review needs it. */
import { expect, test } from 'vitest';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { outage, wrapPort } from '../../scenarios/faults.ts';
import { created } from '../../scenarios/gerrit-events.ts';

const DAY = 86_400_000;

test('evidence is removed when it has expired and its review has ended', async () => {
  const ci = new CiHarness({ keepEvidenceMs: 30 * DAY });
  const began = ci.clock.now();
  await ci.start();
  ci.emit(created());
  await ci.run();
  expect([...ci.evidence.published.keys()]).toEqual(['j00002']);
  await ci.clock.advance(DAY);
  await ci.untilIdle();
  expect(ci.evidence.expiries[0]).toMatchObject({ before: began + 60_000 - 30 * DAY });
  expect(ci.evidence.published.size).toBe(0);
  ci.store.close();
});

test('evidence of an open review stays', async () => {
  let lost = true;
  const ci = new CiHarness({
    keepEvidenceMs: 30 * DAY,
    wrapAdapters: wrapPort('reviewer', (inner) => ({
      post: (request, signal, recovered) =>
        lost ? Promise.reject(outage('post review')) : inner.post(request, signal, recovered),
    })),
  });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.evidence.published.size === 1);
  await ci.clock.advance(60_000);
  expect(ci.evidence.calls.expire).toBe(1);
  expect(ci.evidence.published.size).toBe(1);
  lost = false;
  ci.store.close();
});

test('an outage of the log server ends one round only, and a stop ends it at once', async () => {
  const ci = new CiHarness({ keepEvidenceMs: 30 * DAY });
  await ci.start();
  ci.evidence.failNext('expire');
  await ci.clock.advance(60_000);
  expect(ci.evidence.calls.expire).toBe(1);
  ci.evidence.holdNext('expire');
  await ci.clock.advance(DAY);
  expect(ci.evidence.calls.expire).toBeGreaterThan(1);
  await ci.daemon.service.stop();
  ci.store.close();
});

test('nothing expires when evidence is kept forever', async () => {
  const ci = new CiHarness({ keepEvidenceMs: 0 });
  await ci.start();
  await ci.clock.advance(DAY);
  expect(ci.evidence.calls.expire).toBe(0);
  ci.store.close();
});
