/** The reviewer contract on the embedded Gerrit over both transports, so that demo and tests behave like a real one. */
import type { GerritReviewer } from '../../../../src/adapters/gerrit/reviews/reviewer.ts';
import { reviewerContract } from '../../../contracts/reviewer.ts';
import { Embedded } from '../embedded.ts';

const transports: readonly (readonly [string, (embedded: Embedded) => GerritReviewer])[] = [
  ['embedded Gerrit by SSH', (embedded) => embedded.ssh()],
  ['embedded Gerrit by REST', (embedded) => embedded.rest()],
];

for (const [name, transport] of transports) {
  reviewerContract(name, async () => {
    const embedded = await Embedded.start();
    return {
      reviewer: transport(embedded),
      newPatchset: async () => embedded.newPatchset(),
      messages: async (patchset) => embedded.texts(patchset),
      supersede: async (patchset) => embedded.supersede(patchset),
      close: async ({ change }) => embedded.gerrit.as('dev').abandon(change),
      stop: () => embedded.stop(),
    };
  });
}
