/** The reviewer contract on the embedded Gerrit over both transports, so that demo and tests behave like a real one. */
import type { GerritReviewer } from '../../../../src/adapters/gerrit/reviews/reviewer.ts';
import { reviewerContract } from '../../../contracts/reviewer.ts';
import { Embedded } from '../embedded.ts';

const roads: readonly (readonly [string, (place: Embedded) => GerritReviewer])[] = [
  ['embedded Gerrit by SSH', (place) => place.ssh()],
  ['embedded Gerrit by REST', (place) => place.rest()],
];

for (const [name, road] of roads) {
  reviewerContract(name, async () => {
    const place = await Embedded.start();
    return {
      reviewer: road(place),
      newPatchset: async () => place.newPatchset(),
      messages: async (patchset) => place.texts(patchset),
      supersede: async (patchset) => place.supersede(patchset),
      close: async ({ change }) => place.gerrit.as('dev').abandon(change),
      stop: () => place.stop(),
    };
  });
}
