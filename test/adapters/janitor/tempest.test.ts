/** `tempest cleanup` by real processes and a stand-in for the program `tempest`: when it runs, and what refuses it. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { JanitorRuns } from '../../../src/adapters/janitor/runner.ts';
import { TempestCleanup } from '../../../src/adapters/janitor/tempest.ts';
import { LocalRuns } from '../../../src/adapters/local/local-runs.ts';
import type { CloudScope } from '../../../src/adapters/openstack/session/session.ts';
import type { EffectOf } from '../../../src/engine/ports/adapters.ts';
import type { TempestWork } from '../../../src/machines/model/janitor.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { NEVER } from '../../fixtures/never.ts';
import { until } from '../local/scratch.ts';

/** Its cloud is the file cloud.json beside it. The other files beside it change what it does. */
const STAND_IN = `#!${process.execPath}
const fs = require('node:fs');
const here = (name) => __dirname + '/' + name;
const [, mode = 'delete'] = process.argv.slice(2);
fs.appendFileSync(here('calls'), mode + '\\n');
fs.writeFileSync(here('environment'), JSON.stringify(process.env));
const sleep = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
while (fs.existsSync(here('hold'))) sleep();
const cloud = JSON.parse(fs.readFileSync(here('cloud.json'), 'utf8'));
if (fs.existsSync(here('blind'))) cloud.volumes = {};
if (mode === '--init-saved-state') {
  fs.writeFileSync('saved_state.json', JSON.stringify(cloud));
} else {
  const saved = JSON.parse(fs.readFileSync('saved_state.json', 'utf8'));
  const left = {};
  for (const [kind, resources] of Object.entries(cloud))
    left[kind] = Object.keys(resources).filter((id) => !(id in saved[kind]));
  // The form of Tempest 33: lists, but a mapping of regions.
  const report = { _projects_to_clean: { p1: { name: 'quotas', compute_quotas: { cores: 1 } } }, regions: {} };
  for (const [kind, ids] of Object.entries(left)) report[kind] = ids.map((id) => ({ id, name: 'tempest' }));
  if (mode === '--dry-run') {
    if (fs.existsSync(here('dry_run'))) fs.copyFileSync(here('dry_run'), 'dry_run.json');
    else if (!fs.existsSync(here('silent'))) fs.writeFileSync('dry_run.json', JSON.stringify(report));
  } else if (fs.existsSync(here('stuck'))) {
    console.log('Delete Volume exception.');
  } else {
    for (const kind of Object.keys(cloud)) for (const id of left[kind]) delete cloud[kind][id];
    fs.writeFileSync(here('cloud.json'), JSON.stringify(cloud));
  }
}
if (fs.existsSync(here('fail'))) { console.log('no route to Keystone'); process.exit(1); }
`;

const SCOPE: CloudScope = {
  projectId: 'f00d',
  projectName: 'admin',
  domainName: 'Default',
  userId: 'u1',
  userName: 'admin',
  region: null,
  authUrl: 'http://cloud.example/identity/v3',
};
const CONF = `[auth]
admin_username = admin
admin_project_name = admin
# A comment.
[identity]
uri = http://cloud.example/identity
uri_v3: "http://cloud.example/identity/v3/"
`;
const CLEAN = {
  users: { u1: 'admin' },
  projects: { f00d: 'admin' },
  roles: { r1: 'admin' },
  volumes: { v1: 'kept' },
};

let root: string;
beforeEach(() => {
  labProject = 'other';
  root = mkdtempSync(join(tmpdir(), 'sos-ci-tempest-'));
  // Otherwise a package.json in the directory of temporary files would decide how Node reads the program.
  write('package.json', '{}');
  write('tempest', STAND_IN);
  chmodSync(join(root, 'tempest'), 0o755);
  write('tempest.conf', CONF);
  write('cloud.json', JSON.stringify(CLEAN));
});
// A runner may still write its last file.
afterEach(() => rmSync(root, { recursive: true, force: true, maxRetries: 10 }));

const write = (name: string, text: string) => writeFileSync(join(root, name), text);
const calls = () =>
  existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').split('\n').slice(0, -1) : [];
const cloud = () => JSON.parse(readFileSync(join(root, 'cloud.json'), 'utf8'));
const savedFile = () => join(root, 'state/saved-states/tidy.json');
const work = (): TempestWork => ({
  program: join(root, 'tempest'),
  config: join(root, 'tempest.conf'),
  cloud: 'lab',
  openrcFile: null,
  project: 'admin',
  maxResources: 1_500,
});
const host = () => new LocalRuns({ ...STAGE_BOUNDS, killTimeoutMs: 5_000 });

/** What sos-ci finds in the cloud itself. */
async function list(_work: TempestWork, kinds: readonly string[]) {
  if (existsSync(join(root, 'away'))) throw new Error('GET volumes: 503');
  return Object.fromEntries(kinds.map((kind) => [kind, Object.keys(cloud()[kind])]));
}

/** The project of the provider `lab`. */
let labProject = 'other';

function tempest(scope: CloudScope = SCOPE) {
  const stateDir = join(root, 'state');
  const lastLine = async (directory: string) =>
    readFileSync(join(directory, 'log'), 'utf8').trim().split('\n').at(-1) ?? null;
  const timing = { pollMs: 20, progressTimeoutMs: 200 };
  const providerProjects = async () => new Map([['lab', labProject]]);
  const found = { login: async () => scope, list, providerProjects };
  return new TempestCleanup({ stateDir, host: host(), ...found, lastLine, ...timing });
}

function save(scope?: CloudScope) {
  return tempest(scope).save('tidy', work(), 60_000, NEVER);
}

function request(): EffectOf<'runJanitor'> {
  const run = { janitor: 'tidy', cleaning: 'c1', attempt: 1 };
  const rest = { backends: ['cloud'], timeoutMs: 60_000, outputLimitBytes: 65_536 };
  return { type: 'runJanitor', key: 'runJanitor:1', run, work: { tempest: work() }, ...rest };
}

function start(scope?: CloudScope) {
  const options = { stateDir: join(root, 'state'), host: host(), lastLine: async () => null };
  const playbooks = {
    command: () => Promise.reject(new Error('no playbook')),
    explain: () => Promise.reject(new Error('no playbook')),
  };
  return new JanitorRuns({ ...options, playbooks, tempest: tempest(scope) }).start(request(), NEVER);
}

/** Resolves to the exit code and the last line of output. */
async function clean(scope?: CloudScope) {
  const outcome = await (await start(scope)).ended;
  const log = readFileSync(join(root, 'state/janitors/tidy/c1.1/log'), 'utf8').trim().split('\n');
  return { code: outcome.how === 'exited' ? outcome.code : outcome.how, line: log.at(-1) };
}

/** Adds volumes, projects and users to the cloud, this many of each. */
function litter(each: number): void {
  const more = (id: string) =>
    Object.fromEntries(Array.from({ length: each }, (_, index) => [`${id}${index}-left`, 'tempest']));
  const { users, projects, volumes, ...rest } = cloud();
  const littered = {
    ...rest,
    users: { ...users, ...more('u') },
    projects: { ...projects, ...more('p') },
    volumes: { ...volumes, ...more('v') },
  };
  write('cloud.json', JSON.stringify(littered));
}

describe('with a saved state', () => {
  /** Saved once; it depends on no file of a test. */
  let saved = '';
  beforeEach(async () => {
    if (saved === '') {
      expect(await save()).toEqual({ users: 1, projects: 1, roles: 1, volumes: 1 });
      saved = readFileSync(savedFile(), 'utf8');
      rmSync(join(root, 'calls'));
    }
    mkdirSync(join(root, 'state/saved-states'), { recursive: true });
    writeFileSync(savedFile(), saved);
  });

  test('deletes 500 volumes, projects and users, and nothing else', async () => {
    litter(500);
    expect(await clean()).toEqual({ code: 0, line: '0 resources are left' });
    expect(cloud()).toEqual(CLEAN);
    expect(calls()).toEqual(['--dry-run', 'delete', '--dry-run']);
  });

  test('deletes nothing in a clean cloud', async () => {
    expect(await clean()).toEqual({ code: 0, line: '0 resources to delete' });
    expect(calls()).toEqual(['--dry-run']);
  });

  test('is refused above the limit', async () => {
    litter(501);
    await expect(start()).rejects.toThrow(
      '1503 resources are not in the saved state, more than 1500: users 501, projects 501, volumes 501',
    );
    expect(calls()).toEqual([]);
  });

  test('is refused when the dry run is above the limit', async () => {
    litter(1);
    write('dry_run', JSON.stringify({ volumes: Array.from({ length: 1_501 }, () => ({ id: 'v0-left' })) }));
    const line = 'refused: a dry run lists 1501 resources, more than 1500: volumes 1501';
    expect(await clean()).toEqual({ code: 1, line });
    expect(calls()).toEqual(['--dry-run']);
  });

  test('is refused when something cannot be listed', async () => {
    litter(1);
    write('away', '');
    await expect(start()).rejects.toThrow('GET volumes: 503');
    expect(calls()).toEqual([]);
  });

  test('is refused in a cloud in which a provider creates servers', async () => {
    litter(1);
    labProject = 'f00d';
    await expect(start()).rejects.toThrow('the provider lab creates its servers in this cloud');
    expect(calls()).toEqual([]);
  });

  test.each([
    ['a saved one', '{"volumes": [{"id": "v1"}]}', '"v1" among the "volumes"'],
    ['an unknown one', '{"volumes": [{"id": "v9"}]}', '"v9" among the "volumes"'],
    ['one of an unknown kind', '{"shares": [{"id": "v0-left"}]}', '"v0-left" among the "shares"'],
    ['one without an id', '{"users": ["u0-left"]}', 'undefined among the "users"'],
    ['one that is null', '{"users": [null]}', 'undefined among the "users"'],
    ['a key pair', '{"keypairs": [{"keypair": {"name": "k1"}}]}', '"k1" among the "keypairs"'],
  ])('is refused when the dry run lists %s among others', async (_, text, what) => {
    litter(1);
    write('dry_run', text);
    const line = `refused: a dry run lists ${what}, which sos-ci did not find there, or had saved`;
    expect(await clean()).toEqual({ code: 1, line });
    expect(calls()).toEqual(['--dry-run']);
  });

  test('fails when Tempest exits with 0 and resources stay', async () => {
    litter(1);
    write('stuck', '');
    expect(await clean()).toEqual({
      code: 1,
      line: 'tempest cleanup left 3 resources: users 1, projects 1, volumes 1',
    });
  });

  test('deletes nothing when the dry run fails', async () => {
    litter(1);
    write('fail', '');
    expect(await clean()).toEqual({ code: 1, line: 'tempest cleanup --dry-run failed: exit code 1' });
    expect(calls()).toEqual(['--dry-run']);
  });

  test('starts once although the daemon is replaced between dry run and cleanup', async () => {
    litter(1);
    write('hold', '');
    const first = await start();
    await until('the dry run', () => calls().length === 1);
    first.detach();
    const second = await start();
    expect(second.adopted).toBe(true);
    rmSync(join(root, 'hold'));
    expect(await second.ended).toEqual({ how: 'exited', code: 0 });
    expect(calls()).toEqual(['--dry-run', 'delete', '--dry-run']);
    expect(cloud()).toEqual(CLEAN);
  });

  test('passes no variable that could change the options of Tempest', async () => {
    process.env.OS_IDENTITY__URI_V3 = 'http://other.example/v3';
    try {
      await clean();
    } finally {
      delete process.env.OS_IDENTITY__URI_V3;
    }
    const environment = JSON.parse(readFileSync(join(root, 'environment'), 'utf8'));
    expect(Object.keys(environment).filter((name) => name.startsWith('OS_'))).toEqual([]);
    expect(environment).toMatchObject({ TEMPEST_CONFIG_DIR: root, TEMPEST_CONFIG: 'tempest.conf' });
  });

  const deep = '[{"a":'.repeat(200_000);
  test.each([
    ['not JSON', 'users', 'refused: dry_run.json is not JSON'],
    ['a list', '[]', 'refused: dry_run.json is not an object'],
    ['deep', deep, 'refused: dry_run.json is not JSON'],
    ['a number instead of resources', '{"volumes": 3}', 'refused: dry_run.json has no list of "volumes"'],
    ['huge', ' '.repeat(65 * 1024 ** 2), 'refused: dry_run.json is larger than 64 MB'],
  ])('a dry run that is %s is refused', async (_, text, line) => {
    write('dry_run', text);
    expect(await clean()).toEqual({ code: 1, line });
    expect(calls()).toEqual(['--dry-run']);
  });

  test('a dry run that writes nothing is refused', async () => {
    write('silent', '');
    expect(await clean()).toEqual({ code: 1, line: 'refused: there is no dry_run.json' });
  });

  test.each([
    ['another cloud', { authUrl: 'http://other.example/v3' }, 'identity.uri_v3'],
    ['another project', { projectName: 'demo' }, 'the credentials are for the project demo, not admin'],
    [
      'a project of the same name in another domain',
      { domainName: 'Other' },
      'auth.admin_project_domain_name',
    ],
    ['another user', { userName: 'demo' }, 'auth.admin_username'],
    ['another region', { region: 'West' }, 'identity.region'],
    ['a new project of the same name', { projectId: 'beef' }, 'was saved for projectId f00d'],
  ])('%s is refused', async (_, other, message) => {
    await expect(start({ ...SCOPE, ...other })).rejects.toThrow(message);
    expect(calls()).toEqual([]);
  });

  test('a tempest.conf of another cloud is refused', async () => {
    write('tempest.conf', CONF.replaceAll('cloud.example', 'other.example'));
    await expect(start()).rejects.toMatchObject({ operation: 'refuse tempest cleanup' });
    expect(calls()).toEqual([]);
  });

  test.each([
    ['changed', (text: string) => text.replace('v1', 'v2')],
    ['for another project', (text: string) => text.replace('f00d","region', 'beef","region')],
    ['cut off', (text: string) => text.slice(0, -10)],
    ['not JSON', () => 'state'],
    ['deep', () => deep],
    ['empty', () => ''],
  ])('a saved state that is %s is refused', async (_, change) => {
    const text = readFileSync(savedFile(), 'utf8');
    expect(change(text)).not.toBe(text);
    writeFileSync(savedFile(), change(text));
    await expect(start()).rejects.toThrow('tidy.json was changed');
    expect(calls()).toEqual([]);
  });

  test('a huge saved state is refused', async () => {
    writeFileSync(savedFile(), ' '.repeat(17 * 1024 ** 2));
    await expect(start()).rejects.toThrow('is larger than 16 MB');
  });
});

test('is refused without a saved state', async () => {
  await expect(start()).rejects.toThrow('there is no saved state of the cloud');
  expect(calls()).toEqual([]);
});

describe('saving', () => {
  test('leaves only the file, which nobody else can read', async () => {
    await save();
    expect(statSync(savedFile()).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(root, 'state/saved-states'))).toEqual(['tidy.json']);
    expect(calls()).toEqual(['--init-saved-state']);
  });

  test.each([
    ['nothing', {}],
    ['no users', { ...CLEAN, users: {} }],
    ['no roles', { ...CLEAN, roles: {} }],
    ['lists', { users: ['u1'], projects: ['f00d'], roles: ['r1'] }],
  ])('refuses a state with %s', async (_, state) => {
    write('cloud.json', JSON.stringify(state));
    await expect(save()).rejects.toThrow('does not list the users, projects and roles');
    expect(existsSync(savedFile())).toBe(false);
  });

  test('refuses a state that lacks what exists', async () => {
    write('blind', '');
    await expect(save()).rejects.toThrow('Tempest did not save all that exists: volumes 1');
    expect(existsSync(savedFile())).toBe(false);
  });

  test('is refused when something cannot be listed', async () => {
    write('away', '');
    await expect(save()).rejects.toThrow('GET volumes: 503');
    expect(existsSync(savedFile())).toBe(false);
  });

  test('is refused in a cloud in which a provider creates servers', async () => {
    labProject = 'f00d';
    await expect(save()).rejects.toThrow('the provider lab creates its servers in this cloud');
    expect(existsSync(savedFile())).toBe(false);
  });

  test('keeps the old state when Tempest fails', async () => {
    await save();
    const before = readFileSync(savedFile(), 'utf8');
    write('fail', '');
    await expect(save()).rejects.toThrow('failed: no route to Keystone');
    expect(readFileSync(savedFile(), 'utf8')).toBe(before);
  });

  test('does not run a Tempest that would reach another cloud', async () => {
    await expect(save({ ...SCOPE, authUrl: 'http://other.example/v3' })).rejects.toThrow('identity.uri_v3');
    expect(calls()).toEqual([]);
  });
});
