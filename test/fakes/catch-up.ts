/** A catch-up that finds nothing: Gerrit's stream has delivered everything. */
import type { CatchUp } from '../../src/engine/ports/adapters.ts';

export const nothingMissed: CatchUp = {
  run: async () => ({ since: 0, changes: 0, found: 0, ambiguous: [], unparsed: 0 }),
};
