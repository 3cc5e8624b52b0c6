/**
 * From three pushes to Gerrit to their reviews: DevStack with the patch on servers of a real OpenStack, and real Tempest. All
 * jobs run at the same time, and the daemon and ansible-playbook are killed in the middle.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MarkedProcess, markedProcesses } from '../../../src/demo/observer.ts';
import type { DaemonProcess } from '../daemon-process.ts';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { Testbed } from '../gerrit/testbed.ts';
import { Cloud } from '../openstack/cloud.ts';
import { Canaries } from './canaries.ts';
import { EDITS, Lab, REASON } from './lab.ts';
import { tempestOn } from './node.ts';

const EXTEND_TESTS = 'tempest.api.volume.test_volumes_extend.VolumesExtendTest';

const cloud = new Cloud();
const canaries = new Canaries();
let testbed: Testbed;
let lab: Lab;
let daemon: DaemonProcess;
let changes: Readonly<Record<keyof typeof EDITS, number>>;

beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
  await cloud.clear();
  lab = await Lab.make(testbed, cloud, canaries);
  daemon = await lab.case.startDaemon();
  changes = {
    broken: await lab.push(EDITS.broken),
    good: await lab.push(EDITS.good),
    unstackable: await lab.push(EDITS.unstackable),
  };
});
afterAll(async () => {
  lab?.stop();
  await testbed?.stop();
});

test('the same Tempest goes on after the daemon and ansible-playbook were killed', async () => {
  const id = await lab.case.eventually('the server of the broken change', serverWithBrokenDriver);
  const run = await lab.case.eventually('Tempest is at work', () => tempestOn(cloud, id));
  expect(run.runs).toHaveLength(1);
  await daemon.kill();
  daemon = await lab.case.startDaemon();
  expect(tempestOn(cloud, id)).toEqual(run);
  const killed = await playbooks();
  expect(killed).not.toEqual([]);
  for (const { pid } of killed) process.kill(pid, 'SIGKILL');
  await lab.case.eventually('another ansible-playbook', async () => (await playbooks()).length > 0);
  expect(tempestOn(cloud, id)).toEqual(run);
});

test('the good change: SUCCESS', async () => {
  expect(await review(changes.good)).toContain('SUCCESS');
  expect(await lab.case.vote(changes.good)).toBe(1);
});

test('the change that breaks extend_volume: FAILURE, and exactly its tests are named', async () => {
  const text = await review(changes.broken);
  expect(text).toContain('FAILURE');
  const named = new Set(
    [...text.matchAll(/(?:tearDownClass \()?tempest\.api\.[\w.]+/g)].map(([name]) => name),
  );
  expect([...named].toSorted()).toEqual([
    // The driver deletes no snapshot of a volume that could not be extended.
    `tearDownClass (${EXTEND_TESTS}`,
    `${EXTEND_TESTS}.test_volume_extend`,
    `${EXTEND_TESTS}.test_volume_extend_when_volume_has_snapshot`,
  ]);
  expect(await lab.case.vote(changes.broken)).toBe(-1);
});

test('the change that stack.sh fails with: no vote, and the task is named', async () => {
  const text = await review(changes.unstackable);
  expect(text).toContain('RETRY_LIMIT');
  expect(text).toMatch(/task "[^"]*Run stack\.sh" on node: .*the schema of Cinder was not made/);
  expect(await lab.case.vote(changes.unstackable)).toBe(0);
});

test('one review for each change, all evidence, and nothing is left in the cloud', async () => {
  await lab.case.settled(3);
  for (const change of Object.values(changes)) expect(await lab.case.messages(change)).toHaveLength(1);
  const names = published().map(({ name }) => name.replace(/\.gz$/, ''));
  const count = (end: string): number => names.filter((name) => name.endsWith(end)).length;
  expect(count('testrepository.subunit')).toBe(2);
  expect(count('testr_results.html')).toBe(2);
  expect(count('controller/logs/devstacklog.txt')).toBe(3);
  expect(count('controller/logs/screen-c-vol.txt')).toBe(2);
  expect(count('controller/logs/etc/cinder/cinder_conf.txt')).toBe(3);
  expect(await cloud.resourceLines()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test('no secret is published, in any form', async () => {
  const messages = await Promise.all(Object.values(changes).map((change) => lab.case.messages(change)));
  const comments = messages
    .flat()
    .map(({ id, text }) => ({ name: `comment ${id}`, bytes: Buffer.from(text) }));
  const files = [...published(), ...comments];
  expect(canaries.count).toBeGreaterThanOrEqual(60);
  expect(canaries.missing(files)).toEqual([]);
  expect(canaries.found(files)).toEqual([]);
});

async function review(change: number): Promise<string> {
  const [message] = await lab.case.reported(change);
  return message?.text ?? '';
}

async function serverWithBrokenDriver(): Promise<string | null> {
  for (const { id } of await cloud.list('servers')) {
    const file = cloud.guestFile(`${id}`, `opt/stack/cinder/${EDITS.broken.file}`);
    try {
      if (file !== null && readFileSync(file, 'utf8').includes(REASON)) return `${id}`;
    } catch {
      // The tree is not there yet.
    }
  }
  return null;
}

async function playbooks(): Promise<readonly MarkedProcess[]> {
  const marked = await markedProcesses(lab.case.directory);
  // Their runners have the name among their arguments.
  return marked.filter(({ command }) => /^\S*python\S* \S*\/ansible-playbook /.test(command));
}

interface Published {
  readonly name: string;
  readonly bytes: Buffer;
}

function published(): readonly Published[] {
  const logs = join(lab.case.stateDir, 'logs');
  const entries = readdirSync(logs, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      const bytes = readFileSync(path);
      const isPacked = bytes.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]));
      return { name: path.slice(logs.length + 1), bytes: isPacked ? gunzipSync(bytes) : bytes };
    });
}
