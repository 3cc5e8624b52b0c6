/** The reviewer contract on a real Gerrit, over both transports. */
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { RestReviews } from '../../../src/adapters/gerrit/reviews/rest-reviews.ts';
import { GerritReviewer } from '../../../src/adapters/gerrit/reviews/reviewer.ts';
import { SshReviews } from '../../../src/adapters/gerrit/reviews/ssh-reviews.ts';
import { RestClient } from '../../../src/adapters/gerrit/transport/rest-client.ts';
import { SharedConnection } from '../../../src/adapters/gerrit/transport/shared-connection.ts';
import type { GerritOptions } from '../../../src/adapters/gerrit/transport/ssh-connection.ts';
import { realClock, Site } from '../../adapters/gerrit/site.ts';
import { reviewerContract } from '../../contracts/reviewer.ts';
import { Checkout } from './checkout.ts';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';

const PROJECT = 'openstack/cinder';
const ACCOUNT = 'acme-ci';
let testbed: Testbed;
let site: Site;
let checkout: Checkout;
beforeAll(async () => {
  site = new Site();
  testbed = await Testbed.on(sharedGerrit());
  const { gerrit } = testbed;
  checkout = new Checkout({
    directory: join(testbed.directory, 'checkout'),
    url: `ssh://dev@${gerrit.host}:${gerrit.port}/${PROJECT}`,
    keyFile: gerrit.keyFile('dev'),
    knownHostsFile: gerrit.knownHostsFile,
  });
  await checkout.make();
});
afterAll(async () => {
  await testbed?.stop();
  site.remove();
});

function bySsh(): GerritReviewer {
  const { port, knownHostsFile } = testbed.gerrit;
  const options: GerritOptions = site.options(port, {
    keyFile: testbed.gerrit.keyFile(ACCOUNT),
    knownHostsFile,
  });
  return new GerritReviewer(
    new SshReviews(options, ACCOUNT, new SharedConnection(options, realClock)),
    realClock,
    20,
  );
}

function byRest(): GerritReviewer {
  const client = new RestClient(
    {
      url: testbed.gerrit.url,
      user: ACCOUNT,
      password: () => 'secret',
      caFile: null,
      connectTimeoutMs: 20_000,
      requestTimeoutMs: 60_000,
      idleMs: 1_000,
      retryAfterMaxMs: 60_000,
      answerLimitBytes: 1024 * 1024,
      connections: 4,
    },
    realClock,
  );
  return new GerritReviewer(
    new RestReviews(client, { url: testbed.gerrit.url, filesLimit: 100 }),
    realClock,
    20,
  );
}

async function patchsetOf(change: number, patchset: number) {
  const ref = `refs/changes/${String(change % 100).padStart(2, '0')}/${change}/${patchset}`;
  const revision = await checkout.revision();
  const details = { subject: 'A change', owner: 'dev', url: '', topic: '' };
  return { project: PROJECT, branch: 'master', change, patchset, revision, ref, ...details };
}

for (const [name, transport] of [
  ['SSH', bySsh],
  ['REST', byRest],
] as const) {
  reviewerContract(`a real Gerrit over ${name}`, async () => ({
    reviewer: transport(),
    newPatchset: async () => patchsetOf(await checkout.push(), 1),
    messages: async ({ change }) => {
      const { messages } = await testbed.gerrit.as('admin').change(change);
      return messages.filter(({ author }) => author === ACCOUNT).map(({ text }) => text);
    },
    supersede: async ({ change, patchset }) => {
      await checkout.amend({ README: `${Math.random()}\n` });
      return patchsetOf(change, patchset + 1);
    },
    close: ({ change }) => testbed.gerrit.as('admin').abandon(change),
    stop: async () => {},
  }));
}
