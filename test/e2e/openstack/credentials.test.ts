/** A job with each kind of credentials; the other tests use a clouds.yaml with a password. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TestCase } from '../gerrit/case.ts';
import { CloudTestbed } from './cloud-testbed.ts';

const testbed = new CloudTestbed();
const { cloud } = testbed;

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
  const testCase = await testbed.newCase({
    provider: { openrc: 'lab-openrc.sh', cloud: undefined },
  });
  writeFileSync(join(testCase.directory, 'lab-openrc.sh'), OPENRC, { mode: 0o600 });
  await runsAJob(testCase);
});

test('an application credential', async () => {
  const { id, secret } = await cloud.applicationCredential('sos-ci-e2e');
  const testCase = await testbed.newCase();
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

async function runsAJob(testCase: TestCase): Promise<void> {
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  const [message] = await testCase.reported(change);
  expect(message?.text).toContain('SUCCESS');
  await testbed.settled(testCase);
  expect(await daemon.stop()).toBe(0);
}
