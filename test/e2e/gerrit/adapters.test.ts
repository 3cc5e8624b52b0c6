/** Our adapters on a real Gerrit, with the same contracts as on the fake and the embedded Gerrit. */
import { afterAll, beforeAll } from 'vitest';
import { GerritStream } from '../../../src/adapters/gerrit/stream/stream.ts';
import { realClock, Site } from '../../adapters/gerrit/site.ts';
import { gerritChangesContract } from '../../contracts/gerrit-changes.ts';
import { Uploads } from '../../contracts/gerrit-uploads.ts';
import { streamContract } from '../../contracts/stream.ts';
import { RealGerritFixture } from './real-gerrit-fixture.ts';
import { wantedVersion } from './version.ts';

const ACCOUNT = 'acme-ci';
const PROJECT = 'sandbox';
const name = `Gerrit ${wantedVersion()}`;

const site = new Site();
let fixture: RealGerritFixture;
let uploads: Uploads;
beforeAll(async () => {
  fixture = await RealGerritFixture.open();
  uploads = new Uploads(fixture);
});
afterAll(async () => {
  await fixture?.close();
  site.remove();
});

function options() {
  return site.options(fixture.port, {
    keyFile: fixture.keyFile(ACCOUNT),
    knownHostsFile: fixture.knownHostsFile,
  });
}

streamContract(name, async () => {
  const { change } = await uploads.upload({ project: PROJECT });
  return {
    intake: (listener, queueLimit) => new GerritStream(options(), realClock, listener, { queueLimit }),
    comment: async (text) => {
      await fixture.gerrit.as('dev').say(change, text);
    },
    close: async () => {},
  };
});

gerritChangesContract(name, () => RealGerritFixture.open());
