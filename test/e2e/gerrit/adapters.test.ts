/** Our adapters on a real Gerrit, held to the same promises as on fakes and on the embedded one. */
import { afterAll, beforeAll } from 'vitest';
import { RestClient } from '../../../src/adapters/gerrit/rest-client.ts';
import { RestReviews } from '../../../src/adapters/gerrit/rest-reviews.ts';
import { GerritReviewer } from '../../../src/adapters/gerrit/reviewer.ts';
import { SshReviews } from '../../../src/adapters/gerrit/ssh-reviews.ts';
import { GerritStream } from '../../../src/adapters/gerrit/stream.ts';
import { PASSWORD } from '../../../src/demo/real-gerrit/seed.ts';
import { realClock, Site } from '../../adapters/gerrit/site.ts';
import { gerritChangesContract } from '../../contracts/gerrit-changes.ts';
import { Uploads } from '../../contracts/gerrit-uploads.ts';
import { type ReviewerHarness, reviewerContract } from '../../contracts/reviewer.ts';
import { streamContract } from '../../contracts/stream.ts';
import { RealStand } from './real-stand.ts';
import { wantedVersion } from './rig.ts';

const ACCOUNT = 'acme-ci';
const PROJECT = 'sandbox';
const name = `Gerrit ${wantedVersion()}`;

const site = new Site();
let stand: RealStand;
let uploads: Uploads;
let rest: RestClient;
beforeAll(async () => {
  stand = await RealStand.open();
  uploads = new Uploads(stand);
  rest = new RestClient(
    {
      url: stand.webUrl,
      user: ACCOUNT,
      password: () => PASSWORD,
      caFile: null,
      connectTimeoutMs: 20_000,
      requestTimeoutMs: 20_000,
      idleMs: 15_000,
      retryAfterMaxMs: 20,
      answerLimitBytes: 16 * 1024 * 1024,
      connections: 4,
    },
    realClock,
  );
});
afterAll(async () => {
  rest?.close();
  await stand?.close();
  site.remove();
});

function options() {
  return site.options(stand.port, {
    keyFile: stand.keyFile(ACCOUNT),
    knownHostsFile: stand.knownHostsFile,
  });
}

function reviews(reviewer: ReviewerHarness['reviewer']): ReviewerHarness {
  return {
    reviewer,
    newPatchset: () => uploads.upload({ project: PROJECT }),
    messages: async ({ change }) => {
      const { messages } = await stand.gerrit.as('admin').change(change);
      return messages.filter(({ author }) => author === ACCOUNT).map(({ text }) => text);
    },
    supersede: (patchset) => uploads.amend(patchset, { project: PROJECT, files: ['another'] }),
    close: ({ change }) => stand.gerrit.as('dev').abandon(change),
    stop: async () => {},
  };
}

reviewerContract(`${name} by SSH`, async () =>
  reviews(new GerritReviewer(new SshReviews(options(), realClock, ACCOUNT), realClock, 20)),
);

reviewerContract(`${name} by REST`, async () =>
  reviews(new GerritReviewer(new RestReviews(rest), realClock, 20)),
);

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
