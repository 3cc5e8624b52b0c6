import { GerritReviewer } from '../../../src/adapters/gerrit/reviewer.ts';
import { reviewerContract } from '../../contracts/reviewer.ts';
import { GerritModel } from '../../fakes/gerrit-model.ts';
import { FakeReviewer } from '../../fakes/reviewer.ts';
import { SshServer } from '../../fakes/ssh-server.ts';
import { keys, patchset, realClock, Site } from './site.ts';

reviewerContract('ssh', async () => {
  const place = new Site();
  const ssh = await SshServer.start([keys.ed25519.private]);
  const model = new GerritModel(ssh);
  return {
    reviewer: new GerritReviewer(place.options(ssh.port), realClock, 'acme-ci'),
    newPatchset: async () => {
      model.addPatchset(patchset);
      return patchset;
    },
    messages: async ({ change }) => model.messages(change),
    close: async () => {
      await ssh.close();
      place.remove();
    },
  };
});

reviewerContract('fake', async () => {
  const fake = new FakeReviewer();
  fake.missing.add(999_999_999);
  return {
    reviewer: fake,
    newPatchset: async () => patchset,
    messages: async (on) => fake.on(on).map(({ message }) => message),
    close: async () => {},
  };
});
