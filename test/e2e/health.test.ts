/**
 * A daemon that cannot archive events: it continues, raises an alarm, and archives again when it can; then they are
 * exported.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Case } from './case.ts';
import { Rig } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

async function status(one: Case) {
  return JSON.parse((await one.ask('status', '--json')).text);
}

test('events that cannot be archived harm nothing; later ones can be exported and explained', async () => {
  const one = await rig.newCase({
    top: 'monitoring: {interval: 1s}\n',
  });
  mkdirSync(one.stateDir, { mode: 0o700 });
  const blocked = join(one.stateDir, 'events');
  writeFileSync(blocked, 'a file where the folder belongs');
  const daemon = await one.startDaemon();
  const first = await one.push('one\n');
  await one.eventually('the first is reported', () => one.messages(first).length === 1);
  await one.eventually('the operator is told', async () => {
    return (await status(one)).health.problems.some(
      ({ kind }: { kind: string }) => kind === 'event-archive-failing',
    );
  });
  expect((await status(one)).intake['unkept:lines']).toBeGreaterThan(0);
  rmSync(blocked);
  const second = await one.push('two\n');
  await one.eventually('the second is reported', () => one.messages(second).length === 1);
  await one.eventually('the operator is told that it is over', async () => {
    const { health, alarms } = await status(one);
    const [alarm] = alarms.filter(({ kind }: { kind: string }) => kind === 'event-archive-failing');
    return health.healthy && alarm.clearedAt !== null;
  });
  const { code, text } = await one.ask('events', 'export', '--change', String(second), '--json');
  expect(code).toBe(0);
  const { events } = JSON.parse(text.slice(0, text.lastIndexOf('}') + 1));
  expect(events[0]).toMatchObject({ type: 'patchset-created', change: second });
  writeFileSync(
    join(one.directory, 'out.jsonl'),
    (await one.ask('events', 'export', '--type', 'patchset-created')).text,
  );
  const explained = await one.ask('explain', '--events', 'out.jsonl');
  expect(explained.text).toMatch(/start/);
  expect(await daemon.stop()).toBe(0);
  expect(await one.leftovers()).toEqual([]);
  expect(one.unsound()).toEqual([]);
  await one.close();
});
