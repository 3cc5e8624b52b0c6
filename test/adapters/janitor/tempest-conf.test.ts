/** Which tempest.conf names the cloud, the user and the project of the configuration. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkTempestConf } from '../../../src/adapters/janitor/tempest-conf.ts';
import type { CloudScope } from '../../../src/adapters/openstack/session/session.ts';

const SCOPE: CloudScope = {
  projectId: 'f00d',
  projectName: 'admin',
  domainName: 'Default',
  userId: 'u1',
  userName: 'root',
  region: null,
  authUrl: 'http://cloud.example/identity/v3',
};
const CONF = `[auth]
admin_username = root
admin_project_name = admin
# A comment.
[identity]
uri = http://cloud.example/identity
uri_v3: "http://cloud.example/identity/v3/"
`;

let home: string;
let before: string | undefined;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sos-ci-tempest-conf-'));
  before = process.env.HOME;
  process.env.HOME = home;
});
afterEach(() => {
  process.env.HOME = before;
  rmSync(home, { recursive: true });
});

const file = () => join(home, 'tempest.conf');

function check(conf: string, scope: Partial<CloudScope> = {}) {
  writeFileSync(file(), conf);
  return checkTempestConf(file(), 'tempest', { ...SCOPE, ...scope });
}

test.each([
  ['the default region', CONF, 'RegionOne'],
  ['a region', `${CONF}region = West\n`, 'West'],
  ['domains', `${CONF}[auth]\nadmin_domain_name = Other\nadmin_project_domain_name = Default\n`, 'RegionOne'],
])('accepts a file with %s', async (_, conf, region) => {
  expect(await check(conf)).toBe(region);
});

test.each([
  ['a URL of another cloud', CONF.replaceAll('cloud.example', 'other.example')],
  ['an older URL of another cloud', CONF.replace('cloud.example', 'other.example')],
  ['a second value', `${CONF}uri_v3 = http://other.example/v3\n`],
  ['a second section', `${CONF}[AUTH]\nadmin-project-name = demo\n`],
  ['a continued value', CONF.replace('= admin', '= admin\n  demo')],
  ['a reference', CONF.replace('= admin', '= $DEFAULT.name')],
  ['no project', CONF.replace('admin_project_name', 'admin_project')],
  ['no user', CONF.replace('admin_username', 'admin_user')],
  ['another user', CONF.replace('= root', '= demo')],
  ['another domain', `${CONF}[auth]\nadmin_domain_name = Other\n`],
  ['a system scope', `${CONF}[auth]\nadmin_system = all\n`],
  ['an older version of the API', `${CONF}auth_version = v2\n`],
  ['another source', `${CONF}[DEFAULT]\nconfig_source = more\n`],
  ['nothing', ''],
])('refuses a file with %s', async (_, conf) => {
  await expect(check(conf)).rejects.toMatchObject({ operation: 'refuse tempest cleanup' });
});

test('refuses another region', async () => {
  await expect(check(CONF, { region: 'West' })).rejects.toThrow('identity.region');
});

test('refuses a missing file: Tempest would read another one', async () => {
  await expect(checkTempestConf(file(), 'tempest', SCOPE)).rejects.toThrow('ENOENT');
  mkdirSync(file());
  await expect(checkTempestConf(file(), 'tempest', SCOPE)).rejects.toThrow('is not a file');
});

test.each(['tempest.conf.d', '.tempest/tempest.conf.d', 'my-tempest.conf.d'])(
  'refuses a directory ~/%s, whose files Tempest would also read',
  async (directory) => {
    mkdirSync(join(home, directory), { recursive: true });
    writeFileSync(file(), CONF);
    await expect(checkTempestConf(file(), '/opt/my-tempest', SCOPE)).rejects.toThrow(
      `Tempest would also read ${join(home, directory)}`,
    );
  },
);
