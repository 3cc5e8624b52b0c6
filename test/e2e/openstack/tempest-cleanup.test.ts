/**
 * Real `tempest cleanup` as a janitor: while a job uses its back end, nothing is deleted. Then everything goes that was made
 * after the state was saved, although the daemon is killed before the deletion, and all that was saved stays.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Semaphore } from '../../../src/semaphore.ts';
import { EXHAUSTIVE } from '../../fixtures/effort.ts';
import type { TestCase } from '../gerrit/case.ts';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { Testbed } from '../gerrit/testbed.ts';
import { Cloud } from './cloud.ts';

/** Volumes, projects and users, of each. Tempest needs a third of a second for one of each kind. */
const LEFT = EXHAUSTIVE ? 500 : 20;
const KEPT = 5;
const LIMIT_MS = 600_000;
/** The exit code of a command that was refused. */
const REFUSED = 5;
/** The services have one worker each. */
const CONCURRENT_CALLS = 6;

type Service = Parameters<Cloud['call']>[0] | 'identity';
/** Every kind that Tempest deletes, of all projects where the API shows them. */
const LISTS: readonly (readonly [Service, path: string, key?: string])[] = [
  ['identity', 'users'],
  ['identity', 'projects'],
  ['identity', 'domains'],
  ['identity', 'roles'],
  ['identity', 'regions'],
  ['image', 'images'],
  ['compute', 'flavors'],
  ['compute', 'servers?all_tenants=1', 'servers'],
  ['network', 'networks'],
  ['network', 'subnets'],
  ['network', 'ports'],
  ['network', 'routers'],
  ['network', 'floatingips'],
  ['network', 'security-groups', 'security_groups'],
  ['volume', 'snapshots?all_tenants=1', 'snapshots'],
  ['volume', 'volumes?all_tenants=1', 'volumes'],
];

/** Logs its calls, and waits before it deletes. */
const PROGRAM = `#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/calls"
if [ "$*" = cleanup ]; then until [ -e "$here/delete" ]; do sleep 0.1; done; fi
exec /usr/bin/tempest "$@"
`;
const TEMPEST_CONF = `[auth]
admin_username = admin
admin_password = PASSWORD
admin_project_name = admin
[identity]
uri_v3 = http://127.0.0.1:5000/v3
[volume]
catalog_type = volumev3
[network-feature-enabled]
api_extensions = router,security-group,quotas
[service_available]
swift = false
`;
const TEMPEST = { program: './tempest', config: './tempest.conf', cloud: 'admin', project: 'admin' };

const admin = new Cloud('admin');
const calls = new Semaphore(CONCURRENT_CALLS);
let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
});
afterAll(() => testbed.stop());

test('leftovers of a cloud go when no job uses it, and nothing else', { timeout: LIMIT_MS }, async () => {
  const testCase = await newCase();
  await make('kept', KEPT);
  await refusedForProvider(testCase);
  await refusedForOnePage(testCase);
  const clean = await snapshot();
  const saved = await testCase.runCli('janitors', 'save', 'leftovers', '--json');
  expect(saved).toMatchObject({ code: 0 });
  expect(JSON.parse(saved.text).resources).toMatchObject({ volumes: KEPT, domains: 1, flavors: 2 });
  const before = tempestCalls(testCase);
  expect(new Set(before)).toEqual(new Set(['cleanup --init-saved-state']));

  const daemon = await testCase.startDaemon();
  await testCase.checkout().push();
  await testCase.eventually('the job runs', () => /testing\.running/.test(`${testCase.jobs()}`));
  expect(await testCase.runCli('clean', 'leftovers', '--reason', 'proof')).toMatchObject({ code: 0 });
  await make('left', LEFT);
  const littered = await snapshot();
  expect(littered.length).toBe(clean.length + 3 * LEFT);
  const { waits } = await janitor(testCase);
  expect(waits).toBe('back end cloud is in use by one job');
  expect(tempestCalls(testCase)).toEqual(before);

  testCase.go();
  await testCase.eventually('tempest cleanup is about to delete', () =>
    tempestCalls(testCase).includes('cleanup'),
  );
  await daemon.kill();
  expect(await snapshot()).toEqual(littered);
  const next = await testCase.startDaemon();
  writeFileSync(file(testCase, 'delete'), '');
  const { last } = await testCase.eventually('the janitor has ended', async () => {
    const view = await janitor(testCase);
    return view.last.endedAt !== null && view;
  });
  expect(last).toMatchObject({ outcome: 'succeeded', attempt: 1 });
  expect(await snapshot()).toEqual(clean);
  const words = tempestCalls(testCase).slice(before.length);
  expect(words.filter((line) => line !== 'cleanup --dry-run')).toEqual(['cleanup']);
  expect(testCase.jobs()).toEqual([expect.stringContaining('SUCCESS')]);
  expect((await testCase.runCli('verify')).code).toBe(0);
  expect(await next.stop()).toBe(0);
});

async function newCase(): Promise<TestCase> {
  const testCase = await testbed.newCase({
    limitMs: LIMIT_MS / 2,
    testing: 'wait_for_go\npass\n',
    job: { backends: ['cloud'] },
    top: {
      backends: { cloud: 1 },
      janitors: { leftovers: { backends: ['cloud'], tempest: TEMPEST } },
    },
  });
  writeFileSync(file(testCase, 'tempest'), PROGRAM, { mode: 0o755 });
  writeFileSync(file(testCase, 'tempest.conf'), TEMPEST_CONF.replace('PASSWORD', admin.password));
  copyFileSync(admin.cloudsYaml, file(testCase, 'clouds.yaml'));
  const project = await admin.projectId();
  const quota_set = { volumes: 1_000, gigabytes: 1_000 };
  await admin.call('volume', 'PUT', `os-quota-sets/${project}`, { quota_set });
  return testCase;
}

/** A provider in another project of the same cloud. */
async function refusedForProvider(testCase: TestCase): Promise<void> {
  const text = readFileSync(testCase.config, 'utf8');
  const config = JSON.parse(text);
  const { ssh } = config.providers.nodes;
  const lab = {
    type: 'openstack',
    cloud: 'lab',
    image: 'debian-12',
    flavor: 'small',
    networks: ['private'],
    ssh: { key: ssh.key },
  };
  writeFileSync(testCase.config, JSON.stringify({ ...config, providers: { ...config.providers, lab } }));
  const refused = await testCase.runCli('janitors', 'save', 'leftovers');
  expect(refused).toMatchObject({ code: REFUSED });
  expect(refused.text).toContain('the provider lab creates its servers in this cloud');
  writeFileSync(testCase.config, text);
}

/** Tempest reads the first page of volumes only, and succeeds. */
async function refusedForOnePage(testCase: TestCase): Promise<void> {
  const conf = join(admin.directory, 'etc/cinder/cinder.conf');
  const text = readFileSync(conf, 'utf8');
  const restartWith = async (options: string) => {
    writeFileSync(conf, text.replace('[DEFAULT]\n', `[DEFAULT]\n${options}`));
    admin.stop('cinder');
    admin.start('cinder');
    const answers = () =>
      admin
        .call('volume', 'GET', 'volumes')
        .then(() => true)
        .catch(() => false);
    await testCase.eventually('Cinder answers', answers);
  };
  await restartWith(`osapi_max_limit = ${KEPT - 2}\n`);
  const refused = await testCase.runCli('janitors', 'save', 'leftovers');
  await restartWith('');
  expect(refused).toMatchObject({ code: REFUSED });
  expect(refused.text).toContain('Tempest did not save all that exists: volumes 2');
}

function file(testCase: TestCase, name: string): string {
  return join(testCase.directory, name);
}

function tempestCalls(testCase: TestCase): readonly string[] {
  return readFileSync(file(testCase, 'calls'), 'utf8').trim().split('\n');
}

async function janitor(testCase: TestCase) {
  const { code, text } = await testCase.runCli('janitors', '--json');
  expect(code).toBe(0);
  return JSON.parse(text).janitors[0];
}

/** This many volumes, projects and users, which Cinder and Keystone list when it resolves. */
async function make(name: string, each: number): Promise<void> {
  const one = async (index: number) => {
    const named = { name: `${name}-${index}` };
    await admin.identity('POST', 'projects', { project: named });
    await admin.identity('POST', 'users', { user: { ...named, password: 'tempest' } });
    await admin.call('volume', 'POST', 'volumes', { volume: { ...named, size: 1 } });
  };
  await Promise.all(Array.from({ length: each }, (_, index) => calls.run(() => one(index))));
}

/** All ids that the services list, with their kinds. */
async function snapshot(): Promise<readonly string[]> {
  const lists = await Promise.all(
    LISTS.map(async ([service, path, key = path]) => {
      const answer =
        service === 'identity' ? await admin.identity('GET', path) : await admin.call(service, 'GET', path);
      return (answer[key] as readonly { readonly id: string }[]).map(({ id }) => `${key} ${id}`);
    }),
  );
  return lists.flat().sort();
}
