/** Questions of init whose answers are in a cloud. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readAnswers } from '../../../src/cli/commands/init-answers.ts';
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
        /^ {2}it is no name that the project sees; did you mean ubuntu-24\.04\?\nthe image/,
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

test('a driver on this host is refused, because DevStack takes over the host', async () => {
  const flags = { ...GIVEN, yes: true, host: '127.0.0.1', kind: 'local', driver: DRIVER };
  await expect(readAnswers(dir, flags, null)).rejects.toThrow('--driver: it needs servers');
  expect(existsSync(join(dir, 'sos-ci.yaml'))).toBe(false);
});
