/**
 * Change look-ups in a Gerrit over SSH, embedded or real: one connection for all queries, users who upload meanwhile.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { ChangeLookup } from '../../src/adapters/gerrit/changes/change-lookup.ts';
import { SharedConnection } from '../../src/adapters/gerrit/transport/shared-connection.ts';
import { realClock, Site } from '../adapters/gerrit/site.ts';
import { changesContract } from './changes.ts';
import type { GerritStand } from './gerrit-stand.ts';
import { Uploads } from './gerrit-uploads.ts';

export function gerritChangesContract(name: string, open: () => Promise<GerritStand>): void {
  describe(`looking changes up: ${name}`, () => {
    const site = new Site();
    let stand: GerritStand;
    let uploads: Uploads;
    let shared: SharedConnection;
    let changes: ChangeLookup;

    beforeAll(async () => {
      stand = await open();
      for (const project of ['openstack/cinder', 'openstack/nova']) await stand.createProject(project);
      uploads = new Uploads(stand);
      const [keyFile, knownHostsFile] = [stand.keyFile('acme-ci'), stand.knownHostsFile];
      const options = site.options(stand.port, { keyFile, knownHostsFile });
      shared = new SharedConnection(options, realClock);
      changes = new ChangeLookup(options, realClock, shared);
    });
    afterAll(async () => {
      await shared?.close();
      await stand?.close();
      site.remove();
    });

    changesContract(name, async () => ({
      changes,
      upload: (wanted) => uploads.upload(wanted),
      amend: (patchset, wanted) => uploads.amend(patchset, wanted),
      vote: (patchset, account, label, value) => uploads.vote(patchset, account, label, value),
      turn: (patchset, into) => uploads.turn(patchset, into),
      close: async () => {},
    }));
  });
}
