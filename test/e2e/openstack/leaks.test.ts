/**
 * 200 resources that an ended job left behind are removed after two searches, and 200 look-alikes of others stay. They are
 * of every kind that the provider creates.
 */
import { expect, test } from 'vitest';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { Semaphore } from '../../../src/semaphore.ts';
import type { TestCase } from '../gerrit/case.ts';
import { Cloud } from './cloud.ts';
import { CloudTestbed } from './cloud-testbed.ts';

type Kind = 'key-pair' | 'port' | 'floating-ip' | 'volume' | 'server';

/** Neutron takes half a second for each port and each floating IP, Nova a few seconds for a server. */
const COUNTS: Readonly<Record<Kind, number>> = {
  'key-pair': 174,
  port: 10,
  'floating-ip': 6,
  volume: 8,
  server: 2,
};
const TOTAL = Object.values(COUNTS).reduce((sum, count) => sum + count, 0);
const NAMES = 20;
/** The services have one worker each. */
const CONCURRENT_CALLS = 6;

const testbed = new CloudTestbed();
const { cloud } = testbed;
const calls = new Semaphore(CONCURRENT_CALLS);

interface Made {
  readonly kind: Kind;
  readonly id: string;
}

test('200 leaks of every kind are removed, and 200 look-alikes stay', { timeout: 600_000 }, async () => {
  const restore = await raiseQuotas();
  const testCase = await testbed.newCase({ limitMs: 500_000 });
  try {
    const [job = '', deployment = ''] = await endedJob(testCase);
    const before = await cloud.resourceLines();
    const ours = (index: number) => markOf(deployment, job, index);
    const [leaks, others] = await Promise.all([
      make(deployment, ours),
      make(deployment, (index) => lookAlike(ours(index), deployment, index)),
    ]);
    expect([leaks.length, others.length]).toEqual([TOTAL, TOTAL]);
    const daemon = await testCase.startDaemon();
    // The first search of the sweep.
    const listed = await testCase.eventually('the sweep has seen all of it', async () => {
      const { code, text } = await testCase.runCli('leaks', '--json');
      const report = JSON.parse(text) as Report;
      return code === 1 && report.leaks.every(({ state }) => state === 'agreed') ? report : null;
    });
    expect(keysOf(listed.leaks)).toEqual(keysOf(leaks));
    // The second one, and the removal.
    const collected = await testCase.runCli('gc', '--json', '--reason', 'the quota is full');
    const report = JSON.parse(collected.text) as Report;
    expect(report.leaks.filter(({ state }) => state !== 'removed')).toEqual([]);
    expect(collected.code).toBe(0);
    expect(await linesWithout(others)).toEqual(before);
    expect((await testCase.runCli('leaks')).code).toBe(0);
    expect(keysOf(removedIn(testCase, job))).toEqual(keysOf(leaks));
    expect((await testCase.runCli('verify')).code).toBe(0);
    expect(await daemon.stop()).toBe(0);
    await Promise.all(others.map((made) => calls.run(() => remove(made))));
  } finally {
    await restore();
  }
});

interface Report {
  readonly leaks: readonly (Made & { readonly state: string })[];
}

/** The id of a job that has ended, and its deployment. The daemon is stopped. */
async function endedJob(testCase: TestCase): Promise<readonly string[]> {
  const daemon = await testCase.startDaemon();
  await testCase.reported(await testCase.checkout().push());
  await testbed.settled(testCase);
  expect(await daemon.stop()).toBe(0);
  return testCase.read((reader) => [reader.jobs({ limit: 1 })[0]?.id ?? '', reader.deployment()]);
}

function removedIn(testCase: TestCase, job: string): readonly Made[] {
  return testCase.read((reader) =>
    reader
      .rows(job)
      .filter(({ type }) => type === 'leak.removed')
      .flatMap(({ data }) => (data.leak as { readonly resources: readonly Made[] }).resources),
  );
}

function keysOf(resources: readonly Made[]): readonly string[] {
  return resources.map(({ kind, id }) => `${kind} ${id}`).sort();
}

function markOf(deployment: string, job: string, index: number): string {
  return `sos-ci ${deployment} ${job} ${Math.floor(index / NAMES) + 1} sos-ci-left-${index % NAMES}`;
}

/** A text that differs from our mark in one detail. */
function lookAlike(mark: string, deployment: string, index: number): string {
  const variants = [
    mark.replace(deployment, `${deployment}x`),
    // Nova's names of key pairs are equal if they differ in case only.
    mark.replace('sos-ci', 'SOS-CI').replace(/ (\d+) /, ' 10$1 '),
    `my ${mark}`,
    mark.replace(/ (\d+) /, ' $1'),
    mark.replace(/ (\d+) /, ' x$1 '),
    mark.replace(deployment, 'other'),
  ];
  return variants[index % variants.length] ?? '';
}

/** Creates resources of each kind that carry the mark in the place where the provider puts it. */
async function make(deployment: string, markAt: (index: number) => string): Promise<readonly Made[]> {
  const network = await find('network', 'networks', 'private');
  const external = await find('network', 'networks', 'public');
  const image = await find('image', 'images', 'debian-12');
  const flavor = await find('compute', 'flavors', 'small');
  const publicKey = makeKeyPair('leaks').publicKey;
  const makers: Readonly<Record<Kind, (mark: string, name: string) => Promise<string>>> = {
    'key-pair': (mark) =>
      create('compute', 'os-keypairs', 'keypair', { name: mark, public_key: publicKey }, 'name'),
    port: (mark, name) =>
      create('network', 'ports', 'port', { network_id: network, name, description: mark, fixed_ips: [] }),
    'floating-ip': (mark) =>
      create('network', 'floatingips', 'floatingip', { floating_network_id: external, description: mark }),
    volume: (mark, name) =>
      create('volume', 'volumes', 'volume', { name, size: 1, metadata: { 'sos-ci': mark } }),
    server: (mark, name) =>
      create('compute', 'servers', 'server', {
        name,
        imageRef: image,
        flavorRef: flavor,
        networks: 'none',
        metadata: { 'sos-ci': mark },
        tags: [`sos-ci:${deployment}`],
      }),
  };
  const makeOne = async (kind: Kind, index: number): Promise<Made> => {
    const mark = markAt(index);
    return { kind, id: await makers[kind](mark, mark.split(' ').at(-1) ?? '') };
  };
  const kinds = Object.keys(COUNTS) as Kind[];
  return Promise.all(
    kinds.flatMap((kind) =>
      Array.from({ length: COUNTS[kind] }, (_, index) => calls.run(() => makeOne(kind, index))),
    ),
  );
}

async function create(
  service: Parameters<Cloud['call']>[0],
  path: string,
  key: string,
  fields: Readonly<Record<string, unknown>>,
  idField = 'id',
): Promise<string> {
  const { [key]: made } = await cloud.call(service, 'POST', path, { [key]: fields });
  return String((made as Readonly<Record<string, unknown>>)[idField]);
}

async function find(service: 'compute' | 'network' | 'image', path: string, name: string): Promise<string> {
  const { [path]: all } = await cloud.call(service, 'GET', path);
  const found = (all as readonly { readonly id: string; readonly name: string }[]).find(
    (resource) => resource.name === name,
  );
  if (found === undefined) throw new Error(`the cloud has no ${name}`);
  return found.id;
}

const PATHS: Readonly<Record<Kind, readonly [Parameters<Cloud['call']>[0], string]>> = {
  'key-pair': ['compute', 'os-keypairs'],
  port: ['network', 'ports'],
  'floating-ip': ['network', 'floatingips'],
  volume: ['volume', 'volumes'],
  server: ['compute', 'servers'],
};

async function remove({ kind, id }: Made): Promise<void> {
  const [service, path] = PATHS[kind];
  await cloud.call(service, 'DELETE', `${path}/${encodeURIComponent(id)}`);
}

/** The resources of the project, without these, each of which must exist once. */
async function linesWithout(made: readonly Made[]): Promise<readonly string[]> {
  const missing = new Set(made.map(({ id }) => id));
  const lines = await cloud.resourceLines();
  const rest = lines.filter(
    (line) => ![...missing].some((id) => line.includes(` ${id} `) && missing.delete(id)),
  );
  expect([...missing]).toEqual([]);
  return rest;
}

/** The default quotas are smaller than what this test creates. The result undoes it. */
async function raiseQuotas(): Promise<() => Promise<void>> {
  const admin = new Cloud('admin');
  const project = await cloud.projectId();
  const raise = async (
    service: 'compute' | 'volume' | 'network',
    limits: Readonly<Record<string, number>>,
  ) => {
    const [path, key] =
      service === 'network' ? [`quotas/${project}`, 'quota'] : [`os-quota-sets/${project}`, 'quota_set'];
    const { [key]: quota } = await admin.call(service, 'GET', path);
    const before = Object.keys(limits).map((name) => [
      name,
      (quota as Readonly<Record<string, unknown>>)[name],
    ]);
    await admin.call(service, 'PUT', path, { [key]: limits });
    return () => admin.call(service, 'PUT', path, { [key]: Object.fromEntries(before) });
  };
  const undo = [
    await raise('compute', { key_pairs: 500 }),
    await raise('volume', { volumes: 100 }),
    await raise('network', { floatingip: 200 }),
  ];
  return async () => {
    for (const restore of undo) await restore();
  };
}
