/**
 * Gerrit's behaviour that our adapters rely on: the formats of its stream and queries, the limits of reviews, fetching
 * and permissions. Runs on the embedded Gerrit and on real ones, so that the embedded one cannot drift from them.
 *
 * The fixture needs these accounts: admin; dev; zuul and acme-ci, who may stream and vote Verified (acme-ci from -1 to
 * +1); deaf-ci, who may not stream; mute-ci, who may not vote. Their REST password is `secret`.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { done, PROJECT } from './gerrit-acts.ts';
import { rightsTests } from './gerrit-fetching.ts';
import type { GerritFixture } from './gerrit-fixture.ts';
import { queryTests } from './gerrit-queries.ts';
import { restTests } from './gerrit-rest.ts';
import { reviewTests } from './gerrit-reviewing.ts';
import { streamTests } from './gerrit-streaming.ts';

export function gerritContract(name: string, open: () => Promise<GerritFixture>): void {
  describe(`Gerrit contract: ${name}`, () => {
    let fixture: GerritFixture;
    beforeAll(async () => {
      fixture = await open();
      await fixture.createProject(PROJECT);
      await done(fixture.git('.', 'clone', '-q', fixture.url(PROJECT), 'clone'));
    });
    afterAll(() => fixture?.close());

    describe('the stream', () => streamTests(() => fixture));
    describe('queries', () => queryTests(() => fixture));
    describe('reviews', () => reviewTests(() => fixture));
    describe('reviews over REST', () => restTests(() => fixture));
    describe('fetching and error messages', () => rightsTests(() => fixture));
  });
}
