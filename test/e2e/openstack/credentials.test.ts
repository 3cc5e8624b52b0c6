/** A job with each kind of credentials. The other suites use a clouds.yaml with a password. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../gerrit/rig.ts';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { cloudCase } from './case.ts';
import { Cloud } from './cloud.ts';
import { Strangers } from './strangers.ts';

const cloud = new Cloud();
let rig: Rig;
let strangers: Strangers;
beforeAll(async () => {
  rig = await Rig.on(sharedGerrit());
  strangers = await Strangers.make(cloud);
});
afterAll(() => rig?.stop());

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
  const one = await cloudCase(rig, cloud, { provider: { openrc: 'lab-openrc.sh', cloud: undefined } });
  writeFileSync(join(one.directory, 'lab-openrc.sh'), OPENRC, { mode: 0o600 });
  await runsAJob(one);
});

test('an application credential', async () => {
  const { id, secret } = await cloud.applicationCredential('sos-ci-e2e');
  const one = await cloudCase(rig, cloud);
  const auth = {
    auth_url: 'http://127.0.0.1:5000/v3',
    application_credential_id: id,
    application_credential_secret: secret,
  };
  const lab = { auth_type: 'v3applicationcredential', region_name: 'RegionOne', auth };
  writeFileSync(join(one.directory, 'clouds.yaml'), JSON.stringify({ clouds: { lab } }), { mode: 0o600 });
  await runsAJob(one);
});

async function runsAJob(one: Awaited<ReturnType<typeof cloudCase>>): Promise<void> {
  const daemon = await one.startDaemon();
  const change = await one.checkout().push();
  const [message] = await one.reported(change);
  expect(message?.text).toContain('SUCCESS');
  await one.settled();
  expect(await strangers.others()).toEqual([]);
  expect(await daemon.stop()).toBe(0);
}
