/** A real Gerrit against the suite that the embedded one must pass too. */
import { gerritContract } from '../../contracts/gerrit.ts';
import { RealStand } from './real-stand.ts';
import { wantedVersion } from './version.ts';

gerritContract(`Gerrit ${wantedVersion()}`, () => RealStand.open());
