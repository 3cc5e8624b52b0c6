/** A job with each kind of credentials; the other tests use a clouds.yaml with a password. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { Testbed } from '../gerrit/testbed.ts';
import { newCloudCase } from './case.ts';
import { Cloud } from './cloud.ts';
import { LookAlikes } from './look-alikes.ts';

const cloud = new Cloud();
let testbed: Testbed;
let lookAlikes: LookAlikes;
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
  lookAlikes = await LookAlikes.make(cloud);
});
afterAll(() => testbed?.stop());

const OPENRC = `#!/usr/bin/env bash
export OS_AUTH_URL=http://127.0.0.1:5000/v3
export OS_PROJECT_NAME="lab"
export OS_USER_DOMAIN_NAME='Default' OS_PROJECT_DOMAIN_NAME=Default
export OS_USERNAME=lab
export OS_PASSWORD='${cloud.password}'
export OS_REGION_NAME=RegionOne
export OS_IDENTITY_API_VERSION=3
`;

test('an openrc file', async () => {
  const testCase = await newCloudCase(testbed, cloud, {
    provider: { openrc: 'lab-openrc.sh', cloud: undefined },
  });
  writeFileSync(join(testCase.directory, 'lab-openrc.sh'), OPENRC, { mode: 0o600 });
  await runsAJob(testCase);
});

test('an application credential', async () => {
  const { id, secret } = await cloud.applicationCredential('sos-ci-e2e');
  const testCase = await newCloudCase(testbed, cloud);
  const auth = {
    auth_url: 'http://127.0.0.1:5000/v3',
    application_credential_id: id,
    application_credential_secret: secret,
  };
  const lab = { auth_type: 'v3applicationcredential', region_name: 'RegionOne', auth };
  writeFileSync(join(testCase.directory, 'clouds.yaml'), JSON.stringify({ clouds: { lab } }), {
    mode: 0o600,
  });
  await runsAJob(testCase);
});

async function runsAJob(testCase: Awaited<ReturnType<typeof newCloudCase>>): Promise<void> {
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('SUCCESS');
  await testCase.settled();
  expect(await lookAlikes.differences()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
}
