/** A node or a user's program that prints a secret: it is in no row, no comment and no alarm. */
import { expect, test } from 'vitest';
import { failure } from '../../machines/facts.ts';
import { SECRET } from '../../scenarios/daemon.ts';
import { created } from '../../scenarios/gerrit-says.ts';
import { Lab } from '../../scenarios/lab.ts';

const lost = { afterMs: 1_000, outcome: { how: 'lost', why: `no ${SECRET} left` } } as const;
const error = failure('create server', {
  target: `cloud with ${SECRET}`,
  message: `password ${SECRET} is wrong`,
  hint: `try ${SECRET}2`,
});

function everything(lab: Lab): string {
  return JSON.stringify([...lab.store.log(), ...lab.store.views(), lab.reviewer.posted, lab.alarms.raised]);
}

test('in the names of failed tests', async () => {
  const failures = [`test_login[${SECRET}]`];
  const lab = new Lab({ results: { passed: 1, failed: 1, skipped: 0, failures } });
  await lab.start();
  lab.say(created());
  await lab.run();
  expect(lab.reviewer.posted[0]?.message).toContain('test_login[[redacted]]');
  expect(everything(lab)).not.toContain(SECRET);
});

test('in the reason why results cannot be read', async () => {
  const lab = new Lab({ results: { unreadable: `${SECRET}.tap: it is not there` } });
  await lab.start();
  lab.say(created());
  await lab.run();
  expect(lab.reviewer.posted).toHaveLength(1);
  expect(everything(lab)).toContain('[redacted].tap');
  expect(everything(lab)).not.toContain(SECRET);
});

test('in an error of a program, in the reason for a lost stage, and in an alarm', async () => {
  const lab = new Lab({ stage: () => lost });
  lab.provider.failNext(error, 'create');
  lab.reviewer.failNext({ ...error, retryable: false }, 'post');
  await lab.start();
  lab.say(created());
  await lab.run();
  expect(everything(lab)).toContain('password [redacted] is wrong');
  expect(everything(lab)).toContain('no [redacted] left');
  expect(everything(lab)).not.toContain(SECRET);
});

test('in the task at which a playbook failed', async () => {
  const failedTask = { task: `Log in as ${SECRET}`, host: SECRET, message: `${SECRET} is refused` };
  const outcome = { how: 'exited', code: 2, failedTask } as const;
  const lab = new Lab({ stage: () => ({ afterMs: 1_000, outcome }) });
  await lab.start();
  lab.say(created());
  await lab.run();
  expect(lab.reviewer.posted[0]?.message).toContain(
    '"Log in as [redacted]" on [redacted]: [redacted] is refused',
  );
  expect(everything(lab)).not.toContain(SECRET);
});
