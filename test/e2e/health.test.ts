/**
 * A daemon that cannot archive events continues, raises an alarm, and archives again when it can; later events can be
 * exported.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestCase } from './case.ts';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed.stop());

async function status(testCase: TestCase) {
  return JSON.parse((await testCase.runCli('status', '--json')).text);
}

test('events that cannot be archived harm nothing; later ones can be exported and explained', async () => {
  const testCase = await testbed.newCase({
    top: 'monitoring: {interval: 1s}\n',
  });
  mkdirSync(testCase.stateDir, { mode: 0o700 });
  const blocked = join(testCase.stateDir, 'events');
  writeFileSync(blocked, 'a file where the directory belongs');
  const daemon = await testCase.startDaemon();
  const first = await testCase.push('one\n');
  await testCase.eventually('the first is reported', () => testCase.messages(first).length === 1);
  await testCase.eventually('the operator is notified', async () => {
    return (await status(testCase)).health.problems.some(
      ({ kind }: { kind: string }) => kind === 'event-archive-failing',
    );
  });
  expect((await status(testCase)).intake['unarchived:lines']).toBeGreaterThan(0);
  rmSync(blocked);
  const second = await testCase.push('two\n');
  await testCase.eventually('the second is reported', () => testCase.messages(second).length === 1);
  const isArchived = () => existsSync(blocked) && readdirSync(blocked).length > 0;
  await testCase.eventually('events are archived again', isArchived);
  await testCase.eventually('the alarm is cleared', async () => {
    const { health, alarms } = await status(testCase);
    const [alarm] = alarms.filter(({ kind }: { kind: string }) => kind === 'event-archive-failing');
    return health.healthy && alarm.clearedAt !== null;
  });
  const { code, text } = await testCase.runCli('events', 'export', '--change', String(second), '--json');
  expect(code).toBe(0);
  const { events } = JSON.parse(text.slice(0, text.lastIndexOf('}') + 1));
  expect(events[0]).toMatchObject({ type: 'patchset-created', change: second });
  writeFileSync(
    join(testCase.directory, 'out.jsonl'),
    (await testCase.runCli('events', 'export', '--type', 'patchset-created')).text,
  );
  const explained = await testCase.runCli('explain', '--events', 'out.jsonl');
  expect(explained.text).toMatch(/start/);
  expect(await daemon.stop()).toBe(0);
  expect(await testCase.leftovers()).toEqual([]);
  expect(await testCase.findInconsistencies()).toEqual([]);
  await testCase.close();
});
