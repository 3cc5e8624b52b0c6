/** Runs the contract suite that the embedded Gerrit must pass on a real Gerrit. */
import { gerritContract } from '../../contracts/gerrit.ts';
import { RealGerritFixture } from './real-gerrit-fixture.ts';
import { wantedVersion } from './version.ts';

gerritContract(`Gerrit ${wantedVersion()}`, () => RealGerritFixture.open());
