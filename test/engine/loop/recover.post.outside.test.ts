/** A post that a daemon had tried may still arrive after its death, also when it died while waiting for the next try. */
import { expect, test } from 'vitest';
import { failure } from '../../machines/facts.ts';
import { created } from '../../scenarios/gerrit-says.ts';
import { Lab } from '../../scenarios/lab.ts';

test('a post whose retry waits over a restart is searched for, like one that was cut off', async () => {
  const lab = new Lab();
  lab.reviewer.failNext(failure('post review'), 'post');
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.store.open().some(({ state }) => state === 'posting.backoff'));
  await lab.restart();
  await lab.run();
  expect(lab.reviewer.recovered).toEqual([false, true]);
  expect(lab.reviewer.posted).toHaveLength(1);
});

test('a post that Gerrit did not accept is sent as soon as it is back', async () => {
  const lab = new Lab({ report: { postRetryMs: 3_600_000, postRetryMaxMs: 3_600_000 } });
  lab.reviewer.failNext(failure('post review'), 'post');
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.store.open().some(({ state }) => state === 'posting.backoff'));
  const before = lab.clock.now();
  lab.daemon.stream?.disconnect({ why: 'away', hint: '', permanent: false });
  lab.daemon.stream?.reconnect();
  await lab.run();
  expect(lab.reviewer.posted).toHaveLength(1);
  expect(lab.clock.now() - before).toBeLessThan(3_600_000);
});
