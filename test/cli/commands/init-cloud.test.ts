/** Questions of init whose answers are in a cloud. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type InitFlags, readAnswers } from '../../../src/cli/commands/init-answers.ts';
import { initConfig } from '../../../src/config/file/init-template.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { CREDENTIALS } from '../../../src/demo/openstack/cloud-state.ts';
import { EmbeddedOpenStack } from '../../../src/demo/openstack/embedded-openstack.ts';

const DRIVER = 'cinder.volume.drivers.acme.AcmeDriver';
const GIVEN = { host: 'g', port: 1, user: 'acme-ci', name: 'n', wiki: '-', project: 'openstack/cinder' };

let dir: string;
let cloud: EmbeddedOpenStack;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-init-'));
  cloud = await EmbeddedOpenStack.start('');
});
afterEach(async () => {
  await cloud.stop();
  rmSync(dir, { recursive: true });
});

function openrc(authUrl = cloud.authUrl): string {
  const { id, secret } = CREDENTIALS.applicationCredential;
  const file = join(dir, 'openrc');
  writeFileSync(
    file,
    `export OS_AUTH_URL=${authUrl}
export OS_APPLICATION_CREDENTIAL_ID=${id}
export OS_APPLICATION_CREDENTIAL_SECRET='${secret}'
`,
    { mode: 0o600 },
  );
  return file;
}

/** Answers in order, and an empty answer to every further question. */
async function ask(file: string, ...answers: string[]) {
  const questions: string[] = [];
  const prompt = {
    ask: async (question: string) => {
      questions.push(question);
      return answers.shift() ?? '';
    },
    close: () => {},
  };
  return { questions, answers: await readAnswers(dir, { ...GIVEN, openrc: file }, prompt) };
}

describe('the questions about servers', () => {
  test('show the names that the cloud has, and refuse others', async () => {
    const { questions, answers } = await ask(openrc(), 'ubuntu-24.4', 'ubuntu-24.04', 'm1.small');
    expect(questions).toEqual([
      expect.stringMatching(/^the image of the servers: .*ubuntu-24\.04.* \[ubuntu-24\.04\]: $/),
      expect.stringMatching(
        /^ {2}it is not a name that the project can see; did you mean ubuntu-24\.04\?\nthe image/,
      ),
      expect.stringMatching(/^the flavor of the servers: .*m1\.small/),
      expect.stringMatching(/^the network of the servers: .*private.* \[private\]: $/),
      expect.stringMatching(/Cinder driver/),
    ]);
    expect(answers.node).toMatchObject({ image: 'ubuntu-24.04', flavor: 'm1.small', network: 'private' });
  });

  test('show none when the cloud does not answer', async () => {
    const { questions } = await ask(openrc('http://127.0.0.1:9/v3'));
    expect(questions[0]).toBe('the image of the servers [ubuntu-24.04]: ');
  });
});

test('with a driver, the first job runs DevStack and Tempest', async () => {
  const answers = await readAnswers(dir, { ...GIVEN, yes: true, openrc: openrc(), driver: DRIVER }, null);
  const file = join(dir, 'sos-ci.yaml');
  writeFileSync(file, initConfig(answers));
  for (const name of ['gerrit-key', 'node-key'])
    writeFileSync(join(dir, name), makeKeyPair(name).privateKey, { mode: 0o600 });
  const [job] = loadConfig(file).jobs;
  expect(job?.spec.name).toBe('acme-ci-first');
  expect(readFileSync(file, 'utf8')).toContain(`driver: "${DRIVER}"`);
});

test.each([
  ['lvm.LVMVolumeDriver', 'lvm', null],
  ['nfs.NfsDriver', 'nfs', 'devstack-plugin-nfs'],
  ['rbd.RBDDriver', 'ceph', 'devstack-plugin-ceph'],
])('the back end of %s is set up by DevStack', async (name, type, plugin) => {
  const driver = `cinder.volume.drivers.${name}`;
  const answers = await readAnswers(dir, { ...GIVEN, yes: true, openrc: openrc(), driver }, null);
  const file = join(dir, 'sos-ci.yaml');
  writeFileSync(file, initConfig(answers));
  for (const key of ['gerrit-key', 'node-key'])
    writeFileSync(join(dir, key), makeKeyPair(key).privateKey, { mode: 0o600 });
  const [job] = loadConfig(file).jobs;
  expect(job?.spec.stacking).toMatchObject({
    playbook: {
      variables: {
        devstack_localrc: { CINDER_ENABLED_BACKENDS: `${type}:${type}` },
        ...(plugin === null
          ? {}
          : { devstack_plugins: { [plugin]: `{{ devstack_git_base }}/openstack/${plugin}` } }),
      },
    },
  });
});

describe('a job that needs no edit', () => {
  const OPTIONS = [
    'nfs_shares_config=/etc/cinder/nfs_shares',
    'nfs_snapshot_support=true',
    'nfs_mount_options=vers=4.1',
  ];
  const GIVES = {
    driver: 'cinder.volume.drivers.nfs.NfsDriver',
    driverOption: OPTIONS,
    tests: '^tempest\\.api\\.volume\\.test_volumes_(extend|get|list)',
    concurrency: 2,
    gitMirror: 'git://192.0.2.1',
    label: 'Verified',
  };
  const read = (flags: InitFlags) =>
    readAnswers(dir, { ...GIVEN, yes: true, openrc: openrc(), ...flags }, null);
  const write = async (flags: InitFlags) => {
    const file = join(dir, 'sos-ci.yaml');
    writeFileSync(file, initConfig(await read(flags)));
    for (const key of ['gerrit-key', 'node-key'])
      writeFileSync(join(dir, key), makeKeyPair(key).privateKey, { mode: 0o600 });
    const config = loadConfig(file);
    const playbook = config.jobs[0]?.spec.stacking;
    return { text: readFileSync(file, 'utf8'), config, playbook };
  };

  test('has the options, tests, mirror and label that were given', async () => {
    const { text, config, playbook } = await write(GIVES);
    expect(config.report).toMatchObject({ label: 'Verified', success: 1, failure: -1 });
    expect(playbook).toMatchObject({
      playbook: {
        variables: {
          devstack_localrc: { CINDER_ENABLED_BACKENDS: 'acme:acme' },
          devstack_local_conf: {
            'post-config': {
              $CINDER_CONF: {
                acme: {
                  volume_backend_name: 'acme',
                  volume_driver: GIVES.driver,
                  nfs_shares_config: '/etc/cinder/nfs_shares',
                  nfs_snapshot_support: 'true',
                  nfs_mount_options: 'vers=4.1',
                },
              },
            },
          },
          tempest_test_regex: GIVES.tests,
          tempest_concurrency: 2,
          devstack_git_base: GIVES.gitMirror,
          devstack_packages: [],
          tempest_venv: '/usr',
        },
      },
    });
    expect(text).not.toMatch(/plugin|type: nfs|ACME_PASSWORD/);
    await expect(text.slice(text.indexOf('\njobs:')).trimStart()).toMatchFileSnapshot(
      '../../golden/init-devstack.yaml',
    );
  });

  test('takes a password from a file only', async () => {
    const { text } = await write({ driver: DRIVER, driverOption: ['san_password={{ acme_password }}'] });
    expect(text).toContain('        "san_password": "{{ acme_password }}"\n');
    expect(text).toContain('# variableFiles: [./acme-secrets.yml]');
  });

  test('with a mirror, takes the plugin of DevStack from it too', async () => {
    const { playbook } = await write({ driver: GIVES.driver, gitMirror: 'https://git.acme.example/mirror/' });
    expect(playbook).toMatchObject({
      playbook: {
        variables: {
          devstack_git_base: 'https://git.acme.example/mirror',
          devstack_plugins: { 'devstack-plugin-nfs': expect.stringContaining('devstack_git_base') },
        },
      },
    });
  });

  test('treats hostile values as text', async () => {
    const tests = `volume" , x: ]}' # \\d+ (?P<a>b)(?P=a)`;
    const login = `" ]: {' #\\`;
    const { playbook } = await write({ driver: DRIVER, driverOption: [`san_login=${login}`], tests });
    expect(playbook).toMatchObject({
      playbook: {
        variables: {
          tempest_test_regex: tests,
          devstack_local_conf: { 'post-config': { $CINDER_CONF: { acme: { san_login: login } } } },
        },
      },
    });
  });

  test.each<[InitFlags, string]>([
    [{ driverOption: ['san_ip'] }, '--driver-option: it must be KEY=VALUE'],
    [{ driverOption: ['san ip=1'] }, '--driver-option: it must be KEY=VALUE'],
    [{ driverOption: ['__proto__=1'] }, '--driver-option: it must be KEY=VALUE'],
    [{ driverOption: ['san_ip=1', 'san_ip=2'] }, '--driver-option: it gives san_ip twice'],
    [{ driverOption: ['san_ip='] }, '--driver-option: it gives no value for san_ip'],
    [{ driverOption: ['volume_driver=x'] }, '--driver-option: it gives volume_driver, which is --driver'],
    [{ driverOption: ['san_password=nomoresecret'] }, '--driver-option: it gives san_password in plain text'],
    [{ driverOption: ['san_ip=1\nx: y'] }, '--driver-option: it must be at most 1000 characters on one line'],
    [
      { driverOption: ['san_ip={{ lookup("pipe", "id") }}'] },
      '--driver-option: it has a template of Ansible',
    ],
    [{ tests: '' }, '--tests: it is empty'],
    [{ tests: 'volume_(extend|get' }, '--tests: it is not a regular expression: Unterminated group'],
    [{ tests: 'a\u2028b' }, '--tests: it must be at most 1000 characters on one line'],
    [{ tests: 'x'.repeat(1001) }, '--tests: it must be at most 1000 characters on one line'],
    [{ tests: '{% x %}' }, '--tests: it has a template of Ansible'],
    [{ concurrency: 101 }, '--concurrency: it must be a number from 1 to 100'],
    [{ gitMirror: 'mirror' }, '--git-mirror: it must be an address'],
    [{ gitMirror: 'git://ci:secret@mirror' }, '--git-mirror: it must be an address'],
    [{ gitMirror: 'git://mirror/$(id)' }, '--git-mirror: it must be an address'],
    [{ label: 'Verified: {' }, '--label: it must be letters'],
  ])('refuses %j: %s', async (flags, message) => {
    await expect(read({ driver: DRIVER, ...flags })).rejects.toThrow(message);
  });

  test.each(['driverOption', 'tests', 'concurrency', 'gitMirror'] as const)(
    '%s needs a driver',
    async (key) => {
      await expect(read({ [key]: GIVES[key] })).rejects.toThrow('needs --driver');
    },
  );
});

test('a driver on this host is refused, because DevStack takes over the host', async () => {
  const flags = { ...GIVEN, yes: true, host: '127.0.0.1', kind: 'local', driver: DRIVER };
  await expect(readAnswers(dir, flags, null)).rejects.toThrow('--driver: it needs servers');
  expect(existsSync(join(dir, 'sos-ci.yaml'))).toBe(false);
});
