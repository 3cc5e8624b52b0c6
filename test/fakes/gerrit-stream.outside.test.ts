import { patchset } from '../adapters/gerrit/site.ts';
import { streamContract } from '../contracts/stream.ts';
import { FakeGerritStream } from './gerrit-stream.ts';

streamContract('fake', async () => {
  let fake: FakeGerritStream | null = null;
  const on = { at: 0, patchset, wip: false, private: false, by: { username: 'dev', name: '', email: '' } };
  return {
    intake: (to, queueLimit) => {
      fake = new FakeGerritStream(to, queueLimit);
      return fake;
    },
    comment: async (text) => {
      void fake?.say({ type: 'comment-added', ...on, comment: `Patch Set 3:\n\n${text}`, approvals: [] });
    },
    close: async () => {},
  };
});
