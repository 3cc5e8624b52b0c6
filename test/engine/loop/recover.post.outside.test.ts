/**
 * A post that a daemon had tried may still arrive after its death, also when it died while waiting for the next try.
 */
import { expect, test } from 'vitest';
import { failure } from '../../machines/facts.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { created } from '../../scenarios/gerrit-events.ts';

test('a post whose retry waits during a restart is searched for, like an interrupted one', async () => {
  const ci = new CiHarness();
  ci.reviewer.failNext(failure('post review'), 'post');
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.store.open().some(({ state }) => state === 'posting.backoff'));
  await ci.restart();
  await ci.run();
  expect(ci.reviewer.recovered).toEqual([false, true]);
  expect(ci.reviewer.posted).toHaveLength(1);
});

test('a failed post is retried as soon as Gerrit is back', async () => {
  const ci = new CiHarness({ report: { postRetryMs: 3_600_000, postRetryMaxMs: 3_600_000 } });
  ci.reviewer.failNext(failure('post review'), 'post');
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.store.open().some(({ state }) => state === 'posting.backoff'));
  const before = ci.clock.now();
  ci.daemon.stream?.disconnect({ why: 'away', hint: '', permanent: false });
  ci.daemon.stream?.reconnect();
  await ci.run();
  expect(ci.reviewer.posted).toHaveLength(1);
  expect(ci.clock.now() - before).toBeLessThan(3_600_000);
});

test('a stream that breaks again and again does not use up the attempts of a post', async () => {
  const ci = new CiHarness({
    report: { postRetryMs: 3_600_000, postRetryMaxMs: 3_600_000, postAttempts: 3 },
  });
  for (let attempt = 0; attempt < 2; attempt += 1) ci.reviewer.failNext(failure('post review'), 'post');
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.store.open().some(({ state }) => state === 'posting.backoff'));
  const failedAt = ci.clock.now();
  for (let times = 0; times < 20; times += 1) {
    ci.daemon.stream?.disconnect({ why: 'away', hint: '', permanent: false });
    ci.daemon.stream?.reconnect();
  }
  await ci.run();
  expect(ci.reviewer.posted).toHaveLength(1);
  expect(ci.clock.now() - failedAt).toBeGreaterThanOrEqual(3_600_000);
});
