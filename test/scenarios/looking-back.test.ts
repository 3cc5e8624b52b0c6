/** What the stream does not tell whole is found in Gerrit's history while the connection stays up. */
import { expect, test } from 'vitest';
import { abandoned, comment, created, FIRST, ready } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';

const verdicts = (lab: Lab) => lab.jobs().map(({ verdict }) => verdict);

async function listening(): Promise<Lab> {
  const lab = new Lab({ slots: 1 });
  await lab.start();
  await lab.run();
  return lab;
}

/** It happens in Gerrit, now, and the stream does not tell it. */
function happens(lab: Lab, event: ReturnType<typeof created>): void {
  const at = Math.floor(lab.clock.now() / 1_000) * 1_000;
  lab.past.say({ ...event, ...('at' in event ? { at } : {}) });
}

test('a patchset whose line exceeded the limit is tested, once', async () => {
  const lab = await listening();
  happens(lab, created());
  lab.daemon.stream?.sayNonsense({ reason: 'not-json', sample: '' });
  await lab.run();
  expect(verdicts(lab)).toEqual([]);
  for (let lines = 0; lines < 3; lines += 1) {
    lab.daemon.stream?.sayNonsense({ reason: 'overlong', sample: '{"type', unread: true });
    await lab.run();
  }
  expect(verdicts(lab)).toEqual(['SUCCESS']);
  expect(broken(lab)).toEqual([]);
  lab.store.close();
});

test('a daemon that dies before it has queried for an overlong line does so after its restart', async () => {
  const lab = await listening();
  happens(lab, created());
  lab.past.calls.holdNext('answer', 'read');
  lab.daemon.stream?.sayNonsense({ reason: 'overlong', sample: '{"type', unread: true });
  lab.say(created(FIRST + 1));
  await lab.untilIdle();
  expect(lab.past.calls.held).toBe(1);
  await lab.restart();
  await lab.run();
  expect(verdicts(lab)).toEqual(['SUCCESS', 'SUCCESS']);
  lab.store.close();
});

test('a change that becomes ready in an event without a patchset is tested', async () => {
  const lab = await listening();
  lab.say({ ...created(), wip: true, type: 'patchset-created', kind: 'REWORK' } as ReturnType<
    typeof created
  >);
  await lab.run();
  expect(verdicts(lab)).toEqual([]);
  await lab.clock.advance(60_000);
  happens(lab, ready());
  const { at, patchset, by } = ready() as Extract<ReturnType<typeof ready>, { patchset: unknown }>;
  const about = { at, project: patchset.project, change: FIRST, by } as const;
  lab.say({ type: 'change-incomplete', name: 'wip-state-changed', ...about });
  await lab.run();
  expect(verdicts(lab)).toEqual(['SUCCESS']);
  lab.store.close();
});

test('events during a downtime are queued oldest first, whatever the order of the answer', async () => {
  const lab = await listening();
  lab.daemon.life.end();
  const order = [FIRST + 3, FIRST + 1, FIRST + 2];
  happens(lab, created(order[0]));
  await lab.clock.advance(5_000);
  // Gerrit's times are whole seconds: of these two the one that was created first has the lower number.
  happens(lab, created(order[2]));
  happens(lab, created(order[1]));
  await lab.clock.advance(5_000);
  happens(lab, created(FIRST));
  happens(lab, comment('thanks', 'bob', FIRST + 4));
  await lab.clock.advance(5_000);
  happens(lab, created(FIRST + 5));
  await lab.clock.advance(5_000);
  // What was said before does not count: the request came last.
  happens(lab, comment('recheck', 'bob', FIRST + 4));
  happens(lab, abandoned(FIRST + 9));
  await lab.restart();
  await lab.run();
  expect(lab.jobs().map(({ change }) => change)).toEqual([...order, FIRST, FIRST + 5, FIRST + 4]);
  lab.store.close();
});
