import { GerritReviewer } from '../../../../src/adapters/gerrit/reviews/reviewer.ts';
import { SshReviews } from '../../../../src/adapters/gerrit/reviews/ssh-reviews.ts';
import { SharedConnection } from '../../../../src/adapters/gerrit/transport/shared-connection.ts';
import { reviewerContract } from '../../../contracts/reviewer.ts';
import { GerritModel } from '../../../fakes/gerrit-model.ts';
import { FakeReviewer } from '../../../fakes/reviewer.ts';
import { SshServer } from '../../../fakes/ssh-server.ts';
import { keys, patchset, realClock, Site } from '../site.ts';

reviewerContract('ssh', async () => {
  const site = new Site();
  const ssh = await SshServer.start([keys.ed25519.private]);
  const model = new GerritModel(ssh);
  const options = site.options(ssh.port);
  return {
    reviewer: new GerritReviewer(
      new SshReviews(options, 'acme-ci', new SharedConnection(options, realClock)),
      realClock,
      options.postSettleTimeoutMs,
    ),
    newPatchset: async () => {
      model.addPatchset(patchset);
      return patchset;
    },
    supersede: async (old) => {
      const number = old.patchset + 1;
      const ref = old.ref.replace(/[^/]+$/, String(number));
      const newer = { ...old, patchset: number, revision: '1'.repeat(40), ref };
      model.addPatchset(newer);
      return newer;
    },
    close: async ({ change }) => model.close(change),
    messages: async ({ change }) => model.messages(change),
    stop: async () => {
      await ssh.close();
      site.remove();
    },
  };
});

reviewerContract('fake', async () => {
  const fake = new FakeReviewer();
  fake.missing.add(999_999_999);
  return {
    reviewer: fake,
    newPatchset: async () => patchset,
    supersede: async (old) => {
      fake.current.set(old.change, old.patchset + 1);
      return { ...old, patchset: old.patchset + 1, revision: '1'.repeat(40) };
    },
    close: async ({ change }) => {
      fake.closed.add(change);
    },
    messages: async (on) => fake.on(on).map(({ message }) => message),
    stop: async () => {},
  };
});
