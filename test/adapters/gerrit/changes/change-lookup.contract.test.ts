/** Looks up changes in the embedded Gerrit over SSH. */
import { gerritChangesContract } from '../../../contracts/gerrit-changes.ts';
import { EmbeddedFixture } from '../../../demo/gerrit/embedded-fixture.ts';
import { needs } from '../../../fixtures/needs.ts';

needs('git', 'ssh').exhaustively.describe('with git and ssh', () => {
  gerritChangesContract('embedded Gerrit', () => new EmbeddedFixture().open());
});
