/** Looking changes up in the embedded Gerrit, over SSH. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll } from 'vitest';
import { GerritChanges } from '../../../src/adapters/gerrit/changes.ts';
import { SharedConnection } from '../../../src/adapters/gerrit/shared-connection.ts';
import { changesContract } from '../../contracts/changes.ts';
import { Stand } from '../../demo/gerrit/stand.ts';
import { realClock, Site } from './site.ts';
import { Uploads } from './uploads.ts';

const site = new Site();
let stand: Stand;
let uploads: Uploads;
let shared: SharedConnection;
let changes: GerritChanges;

beforeAll(async () => {
  stand = await new Stand().open();
  for (const project of ['openstack/cinder', 'openstack/nova']) {
    await stand.gerrit.createProject(project, { 'setup.py': 'version = 1\n' });
  }
  uploads = new Uploads(stand);
  const options = site.options(stand.gerrit.port, {
    keyFile: stand.key('acme-ci'),
    knownHostsFile: site.file('hosts', readFileSync(`${stand.directory}/known_hosts`, 'utf8')),
  });
  shared = new SharedConnection(options, realClock);
  changes = new GerritChanges(options, realClock, shared);
});
afterAll(async () => {
  await shared.close();
  await stand.close();
  site.remove();
});

changesContract('embedded Gerrit', async () => ({
  changes,
  upload: (wanted) => uploads.upload(wanted),
  amend: (patchset, wanted) => uploads.amend(patchset, wanted),
  vote: (patchset, account, label, value) => uploads.vote(patchset, account, label, value),
  turn: (patchset, into) => uploads.turn(patchset, into),
  close: async () => {},
}));
