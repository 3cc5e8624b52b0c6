/** Looking changes up in the embedded Gerrit, over SSH. */
import { gerritChangesContract } from '../../../contracts/gerrit-changes.ts';
import { Stand } from '../../../demo/gerrit/stand.ts';

gerritChangesContract('embedded Gerrit', () => new Stand().open());
