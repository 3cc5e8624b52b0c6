/** The fake fulfils the contract of change lookups, and fails as a test configures it. */
import { expect, it } from 'vitest';
import type { AccountVote, Patchset } from '../../src/machines/model/domain.ts';
import { changesContract } from '../contracts/changes.ts';
import { FakeChanges } from './changes.ts';

changesContract('fake', async () => {
  const changes = new FakeChanges();
  const votes = new Map<number, Map<string, AccountVote>>();
  let uploaded = 0;
  const numbers = (of: readonly Patchset[] | undefined) => (of ?? []).map(({ change }) => change);
  return {
    changes,
    upload: async ({ project, files, dependsOn, on }) => {
      uploaded += 1;
      const created = patchset(project, uploaded, 1);
      changes.show(created, {
        files: files ?? ['f'],
        dependsOn: numbers(dependsOn),
        on: on?.change ?? null,
      });
      return created;
    },
    amend: async (before, { project, files, dependsOn }) => {
      const created = patchset(project, before.change, before.patchset + 1);
      changes.show(created, { files: files ?? ['f'], dependsOn: numbers(dependsOn) });
      return created;
    },
    vote: async (on, account, label, value) => {
      const current = votes.get(on.change) ?? new Map<string, AccountVote>();
      votes.set(on.change, current.set(`${account} ${label}`, { account, label, value }));
      changes.show(on, { votes: [...current.values()] });
    },
    turn: async (what, into) => {
      if (into === 'wip') changes.show(what, { wip: true });
      else if (into === 'private') changes.show(what, { status: 'missing' });
      else changes.show(what, { status: into });
    },
    close: async () => {},
  };
});

it('shows an unknown change as requested, and fails as configured', async () => {
  const changes = new FakeChanges();
  const signal = new AbortController().signal;
  const wanted = {
    type: 'lookUpChange',
    key: 'look',
    patchset: patchset('p', 7, 3),
    dependencyLimit: 1,
    timeoutMs: 1_000,
  } as const;
  expect(await changes.lookUp(wanted, signal)).toMatchObject({ status: 'open', current: 3, trouble: null });
  changes.failNext({ operation: 'o', target: 't', message: 'no route', retryable: true, hint: 'h' });
  await expect(changes.lookUp(wanted, signal)).rejects.toThrow('no route');
});

function patchset(project: string, change: number, number: number): Patchset {
  return {
    project,
    branch: 'master',
    change,
    patchset: number,
    revision: `${change}${number}`.padStart(40, '0'),
    ref: `refs/changes/01/${change}/${number}`,
    subject: '',
    owner: '',
    url: '',
    topic: '',
  };
}
