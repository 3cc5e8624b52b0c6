/**
 * Two changes of Cinder, from a push to a real Gerrit to its review: each is installed by real DevStack on a server of a
 * real OpenStack, and tested by real Tempest.
 */
import { existsSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestCase } from '../gerrit/case.ts';
import type { Checkout } from '../gerrit/checkout.ts';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { Testbed } from '../gerrit/testbed.ts';
import { newCloudCase } from '../openstack/case.ts';
import { Cloud } from '../openstack/cloud.ts';
import { importCinder, PROJECT } from './import-cinder.ts';

const VARIABLES = new URL('variables.json', import.meta.url);
const LIMIT_MS = 2.5 * 3_600_000;
const DRIVER = 'cinder/volume/drivers/nfs.py';
const EXTEND = "def extend_volume(self, volume: 'objects.Volume', new_size: int) -> None:\n";
const EXTEND_TESTS = ['test_volume_extend', 'test_volume_extend_when_volume_has_snapshot'];
/** Names of files that readers of DevStack's logs expect. */
const LOGS = ['local_conf.txt', 'screen-c-vol.txt', 'tempest_conf.txt'];

const cloud = new Cloud();
let testbed: Testbed;
let testCase: TestCase;
let checkout: Checkout;

beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
  await cloud.clear();
  testCase = await newCloudCase(testbed, cloud, {
    limitMs: LIMIT_MS,
    provider: { flavor: 'large' },
    top: { jobs: { 'cinder-nfs': job() } },
  });
  checkout = await importCinder(testCase);
});
afterAll(() => testbed?.stop());

test('a good change succeeds, and one that breaks extend_volume fails the extend tests', async () => {
  const source = await checkout.git('show', `${await checkout.tip()}:${DRIVER}`);
  expect(source).toContain(EXTEND);
  const broken = source.replace(
    EXTEND,
    `${EXTEND}        raise exception.ExtendVolumeError(reason='broken')\n`,
  );
  const daemon = await testCase.startDaemon();
  const good = await checkout.push({ files: {}, subject: 'Change nothing' });
  const bad = await checkout.push({ files: { [DRIVER]: broken }, subject: 'Break extend_volume' });

  const [success] = await testCase.reported(good);
  console.log(success?.text);
  expect(success?.text).toMatch(/cinder-nfs \S+ : SUCCESS/);
  expect(await testCase.vote(good)).toBe(1);
  const evidence = evidenceOf(success?.text ?? '');
  expect(read(evidence, 'testr_results.html')).toContain('test_volume_extend');
  for (const name of LOGS) expect(read(evidence, `worktree/controller/logs/${name}`), name).not.toBe('');
  expect(read(evidence, 'worktree/controller/logs/local_conf.txt')).not.toContain('secretadmin');

  const [failure] = await testCase.reported(bad);
  console.log(failure?.text);
  expect(failure?.text).toMatch(/cinder-nfs \S+ : FAILURE/);
  const named = [...(failure?.text ?? '').matchAll(/VolumesExtendTest\.(\w+)/g)].map(([, name]) => name);
  expect(named.sort()).toEqual(EXTEND_TESTS);
  expect(await testCase.vote(bad)).toBe(-1);
  const page = read(evidenceOf(failure?.text ?? ''), 'testr_results.html');
  for (const name of EXTEND_TESTS) expect(page).toContain(name);

  await testCase.settled(2);
  await printStages();
  expect(await cloud.resourceLines()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

/** As docs/devstack.md shows it, with a back end that needs no hardware. */
function job(): Readonly<Record<string, unknown>> {
  return {
    preset: 'devstack-tempest',
    project: PROJECT,
    provider: 'lab',
    backend: { name: 'nfs1', type: 'nfs' },
    tempest: { regex: String.raw`^tempest\.api\.volume\.test_volumes_(extend|get|list)`, concurrency: 2 },
    // The image has the clones of the run that prepared it.
    variables: { ...JSON.parse(readFileSync(VARIABLES, 'utf8')), devstack_reuse_clones: true },
    limits: { setupAttempts: 1 },
  };
}

/** How long each job was in each state. */
async function printStages(): Promise<void> {
  for (const { id, subject } of testCase.read((reader) => reader.jobs({ limit: 2 }))) {
    const { text } = await testCase.runCli('job', id, '--json');
    const { stages } = JSON.parse(text) as {
      readonly stages: readonly { readonly state: string; readonly durationMs: number | null }[];
    };
    const times = stages.map(
      ({ state, durationMs }) => `${state} ${((durationMs ?? 0) / 1000).toFixed(1)} s`,
    );
    console.log(`${subject}: ${times.join(', ')}`);
  }
  console.log(`load ${loadavg()[0]?.toFixed(1)}`);
}

/** The directory that a comment links to. */
function evidenceOf(comment: string): string {
  const [url = ''] = /file:\/\/\S+/.exec(comment) ?? [];
  return fileURLToPath(url);
}

/** A published file, which may be compressed. */
function read(directory: string, name: string): string {
  const file = join(directory, name);
  return existsSync(file)
    ? readFileSync(file, 'utf8')
    : gunzipSync(readFileSync(`${file}.gz`)).toString('utf8');
}
