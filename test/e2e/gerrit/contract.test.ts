/** A real Gerrit against the suite that the embedded one must pass too. */
import { gerritContract } from '../../contracts/gerrit.ts';
import { RealGerritFixture } from './real-gerrit-fixture.ts';
import { wantedVersion } from './version.ts';

gerritContract(`Gerrit ${wantedVersion()}`, () => RealGerritFixture.open());
