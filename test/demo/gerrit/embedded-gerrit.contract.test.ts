/** Runs the contract suite of real Gerrits on the embedded one, with the same users. */
import { gerritContract } from '../../contracts/gerrit.ts';
import { REST_PASSWORD } from '../../contracts/gerrit-rest.ts';
import { needs } from '../../fixtures/needs.ts';
import { EmbeddedFixture } from './embedded-fixture.ts';

const ci = (username: string, name: string) => ({ username, name, mayStream: true });
const votes = (range: number) => ({ Verified: [-range, range] as const });

needs('git', 'ssh').exhaustively.describe('with git and ssh', () => {
  gerritContract('embedded', () =>
    new EmbeddedFixture([
      { username: 'dev', name: 'Dee Veloper', labels: { 'Code-Review': [-1, 1] } },
      { ...ci('zuul', 'Zuul'), labels: votes(2) },
      {
        ...ci('acme-ci', 'Acme CI'),
        labels: { ...votes(1), 'Code-Review': [-1, 1] },
        httpPassword: REST_PASSWORD,
      },
      { username: 'deaf-ci', name: 'Deaf CI', labels: votes(1) },
      ci('mute-ci', 'Mute CI'),
      { username: 'admin', name: 'Administrator', admin: true, labels: { 'Code-Review': [-2, 2] } },
    ]).open(),
  );
});
