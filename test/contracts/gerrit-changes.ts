/**
 * Change lookups over SSH in an embedded or real Gerrit: one connection for all queries, while users upload changes.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { ChangeLookup } from '../../src/adapters/gerrit/changes/change-lookup.ts';
import { SharedConnection } from '../../src/adapters/gerrit/transport/shared-connection.ts';
import { realClock, Site } from '../adapters/gerrit/site.ts';
import { changesContract } from './changes.ts';
import type { GerritFixture } from './gerrit-fixture.ts';
import { Uploads } from './gerrit-uploads.ts';

export function gerritChangesContract(name: string, open: () => Promise<GerritFixture>): void {
  describe(`looking changes up: ${name}`, () => {
    const site = new Site();
    let fixture: GerritFixture;
    let uploads: Uploads;
    let shared: SharedConnection;
    let changes: ChangeLookup;

    beforeAll(async () => {
      fixture = await open();
      for (const project of ['openstack/cinder', 'openstack/nova']) await fixture.createProject(project);
      uploads = new Uploads(fixture);
      const [keyFile, knownHostsFile] = [fixture.keyFile('acme-ci'), fixture.knownHostsFile];
      const options = site.options(fixture.port, { keyFile, knownHostsFile });
      shared = new SharedConnection(options, realClock);
      changes = new ChangeLookup(options, realClock, shared);
    });
    afterAll(async () => {
      await shared?.close();
      await fixture?.close();
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
