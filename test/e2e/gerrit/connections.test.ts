/**
 * A Gerrit that accepts only a few connections of one account: two or three are enough; with one, the operator gets an
 * alarm.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestCase } from './case.ts';
import { Testbed } from './testbed.ts';

const MOST = 3;
const settings = (limit: number) => ({ 'sshd.maxConnectionsPerUser': String(limit) });

let testbed: Testbed;
let current = MOST;
beforeAll(async () => {
  testbed = await Testbed.alone({ settings: settings(MOST) });
});
afterAll(() => testbed?.stop());

/** Restarts Gerrit if it has another limit. */
async function limitTo(limit: number): Promise<void> {
  if (limit === current) return;
  await testbed.gerrit.stop();
  await testbed.gerrit.set(settings(limit));
  await testbed.gerrit.start();
  current = limit;
}

interface Status {
  readonly daemon: { readonly connections: { readonly needed: number; readonly open: number } };
  readonly alarms: readonly { readonly kind: string; readonly message: string; readonly hint: string }[];
}

async function status(testCase: TestCase): Promise<Status> {
  const { text } = await testCase.runCli('status', '--json');
  return JSON.parse(text) as Status;
}

async function connectionsFinding(testCase: TestCase) {
  const { text } = await testCase.runCli('doctor', '--json');
  const { findings } = JSON.parse(text) as { findings: readonly Record<string, string>[] };
  return findings.find(({ check }) => check === 'connections');
}

test.each([MOST, 2])('jobs of several projects run with %d connections', async (limit) => {
  await limitTo(limit);
  const testCase = await testbed.newCase({ projects: ['library', 'tool'], nodes: 2 });
  expect(await connectionsFinding(testCase)).toMatchObject({ verdict: 'ok' });
  const daemon = await testCase.startDaemon();
  const needs = [];
  for (const project of ['library', 'tool']) {
    const change = await testCase.checkout(project).push();
    needs.push(`Depends-On: ${testbed.gerrit.url}/c/${testCase.projectName(project)}/+/${change}`);
  }
  const changes = [
    await testCase.checkout().push({ footer: needs.join('\n') }),
    await testCase.checkout().push(),
  ];
  for (const change of changes) {
    const [message] = await testCase.reported(change);
    expect(message?.text).toContain('Build succeeded');
    expect(await testCase.vote(change)).toBe(1);
  }
  const { daemon: shown, alarms } = await status(testCase);
  expect(shown.connections.needed).toBe(2);
  expect(shown.connections.open).toBeGreaterThanOrEqual(1);
  expect(alarms).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('with one connection doctor and an alarm name the limit, and everything continues when it is raised', async () => {
  await limitTo(1);
  const testCase = await testbed.newCase();
  const finding = await connectionsFinding(testCase);
  expect(finding).toMatchObject({ verdict: 'failure', found: expect.stringContaining('max. allowed: 1') });
  expect(finding?.fix).toContain('sshd.maxConnectionsPerUser');
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const alarm = await testCase.eventually('an alarm', async () => {
    const { alarms } = await status(testCase);
    return alarms.find(({ kind }) => kind === 'connections-refused') ?? null;
  });
  expect(alarm.message).toContain('max. allowed: 1');
  expect(alarm.hint).toContain('sshd.maxConnectionsPerUser');
  expect(await daemon.stop()).toBe(0);
  await limitTo(2);
  const second = await testCase.startDaemon();
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('Build succeeded');
  expect(await second.stop()).toBe(0);
});
