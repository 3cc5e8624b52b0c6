/** Secrets that a node or a user's program prints are in no row, comment or alarm. */
import { expect, test } from 'vitest';
import { failure } from '../../machines/facts.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { SECRET } from '../../scenarios/daemon.ts';
import { created } from '../../scenarios/gerrit-events.ts';

const lost = { afterMs: 1_000, outcome: { how: 'lost', why: `no ${SECRET} left` } } as const;
const error = failure('create server', {
  target: `cloud with ${SECRET}`,
  message: `password ${SECRET} is wrong`,
  hint: `try ${SECRET}2`,
});

function allOutput(ci: CiHarness): string {
  return JSON.stringify([...ci.store.log(), ...ci.store.views(), ci.reviewer.posted, ci.alarms.raised]);
}

test('redacted in the names of failed tests', async () => {
  const failures = [`test_login[${SECRET}]`];
  const ci = new CiHarness({ results: { passed: 1, failed: 1, skipped: 0, failures } });
  await ci.start();
  ci.emit(created());
  await ci.run();
  expect(ci.reviewer.posted[0]?.message).toContain('test_login[[redacted]]');
  expect(allOutput(ci)).not.toContain(SECRET);
});

test('redacted in the reason why results cannot be read', async () => {
  const ci = new CiHarness({ results: { unreadable: `${SECRET}.tap: it is not there` } });
  await ci.start();
  ci.emit(created());
  await ci.run();
  expect(ci.reviewer.posted).toHaveLength(1);
  expect(allOutput(ci)).toContain('[redacted].tap');
  expect(allOutput(ci)).not.toContain(SECRET);
});

test('redacted in an error of a program, in the reason for a lost stage, and in an alarm', async () => {
  const ci = new CiHarness({ stage: () => lost });
  ci.provider.failNext(error, 'create');
  ci.reviewer.failNext({ ...error, retryable: false }, 'post');
  await ci.start();
  ci.emit(created());
  await ci.run();
  expect(allOutput(ci)).toContain('password [redacted] is wrong');
  expect(allOutput(ci)).toContain('no [redacted] left');
  expect(allOutput(ci)).not.toContain(SECRET);
});

test('redacted in the failed task of a playbook', async () => {
  const failedTask = { task: `Log in as ${SECRET}`, host: SECRET, message: `${SECRET} is refused` };
  const outcome = { how: 'exited', code: 2, failedTask } as const;
  const ci = new CiHarness({ stage: () => ({ afterMs: 1_000, outcome }) });
  await ci.start();
  ci.emit(created());
  await ci.run();
  expect(ci.reviewer.posted[0]?.message).toContain(
    '"Log in as [redacted]" on [redacted]: [redacted] is refused',
  );
  expect(allOutput(ci)).not.toContain(SECRET);
});
