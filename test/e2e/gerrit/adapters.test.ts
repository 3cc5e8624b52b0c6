/** Our adapters on a real Gerrit, held to the same promises as on fakes and on the embedded one. */
import { afterAll, beforeAll } from 'vitest';
import { GerritStream } from '../../../src/adapters/gerrit/stream/stream.ts';
import { realClock, Site } from '../../adapters/gerrit/site.ts';
import { gerritChangesContract } from '../../contracts/gerrit-changes.ts';
import { Uploads } from '../../contracts/gerrit-uploads.ts';
import { streamContract } from '../../contracts/stream.ts';
import { RealStand } from './real-stand.ts';
import { wantedVersion } from './version.ts';

const ACCOUNT = 'acme-ci';
const PROJECT = 'sandbox';
const name = `Gerrit ${wantedVersion()}`;

const site = new Site();
let stand: RealStand;
let uploads: Uploads;
beforeAll(async () => {
  stand = await RealStand.open();
  uploads = new Uploads(stand);
});
afterAll(async () => {
  await stand?.close();
  site.remove();
});

function options() {
  return site.options(stand.port, {
    keyFile: stand.keyFile(ACCOUNT),
    knownHostsFile: stand.knownHostsFile,
  });
}

streamContract(name, async () => {
  const { change } = await uploads.upload({ project: PROJECT });
  return {
    intake: (listener, queueLimit) => new GerritStream(options(), realClock, listener, { queueLimit }),
    comment: async (text) => {
      await stand.gerrit.as('dev').say(change, text);
    },
    close: async () => {},
  };
});

gerritChangesContract(name, () => RealStand.open());
