/**
 * A Gerrit that accepts only a few connections of one account: two and three are enough, with one the operator gets an
 * alarm.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Case } from './case.ts';
import { Rig } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.alone();
});
afterAll(() => rig?.stop());

async function limitTo(connections: number): Promise<void> {
  await rig.gerrit.stop();
  await rig.gerrit.set({ 'sshd.maxConnectionsPerUser': String(connections) });
  await rig.gerrit.start();
}

interface Status {
  readonly daemon: { readonly connections: { readonly needed: number; readonly open: number } };
  readonly alarms: readonly { readonly kind: string; readonly message: string; readonly hint: string }[];
}

async function status(one: Case): Promise<Status> {
  const { text } = await one.ask('status', '--json');
  return JSON.parse(text) as Status;
}

async function connectionsFinding(one: Case) {
  const { text } = await one.ask('doctor', '--json');
  const { findings } = JSON.parse(text) as { findings: readonly Record<string, string>[] };
  return findings.find(({ check }) => check === 'connections');
}

test.each([3, 2])('jobs of several projects run with %d connections', async (limit) => {
  await limitTo(limit);
  const one = await rig.newCase({ projects: ['library', 'tool'], nodes: 2 });
  expect(await connectionsFinding(one)).toMatchObject({ verdict: 'ok' });
  const daemon = await one.startDaemon();
  const needs = [];
  for (const project of ['library', 'tool']) {
    const change = await one.checkout(project).push();
    needs.push(`Depends-On: ${rig.gerrit.url}/c/${one.projectName(project)}/+/${change}`);
  }
  const changes = [await one.checkout().push({ footer: needs.join('\n') }), await one.checkout().push()];
  for (const change of changes) {
    const [message] = await one.reported(change);
    expect(message?.text).toContain('Build succeeded');
    expect(await one.vote(change)).toBe(1);
  }
  const { daemon: shown, alarms } = await status(one);
  expect(shown.connections.needed).toBe(2);
  expect(shown.connections.open).toBeGreaterThanOrEqual(1);
  expect(alarms).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('with one connection doctor and an alarm name the limit, and everything continues when it is raised', async () => {
  await limitTo(1);
  const one = await rig.newCase();
  const finding = await connectionsFinding(one);
  expect(finding).toMatchObject({ verdict: 'failure', found: expect.stringContaining('max. allowed: 1') });
  expect(finding?.fix).toContain('sshd.maxConnectionsPerUser');
  const daemon = await one.startDaemon();
  const change = await one.checkout().push();
  const alarm = await one.eventually('an alarm', async () => {
    const { alarms } = await status(one);
    return alarms.find(({ kind }) => kind === 'connections-refused') ?? null;
  });
  expect(alarm.message).toContain('max. allowed: 1');
  expect(alarm.hint).toContain('sshd.maxConnectionsPerUser');
  expect(await daemon.stop()).toBe(0);
  await limitTo(2);
  const second = await one.startDaemon();
  const [message] = await one.reported(change);
  expect(message?.text).toContain('Build succeeded');
  expect(await second.stop()).toBe(0);
});
