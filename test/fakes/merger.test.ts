/** The fake fulfils the contract of mergers, and fails and waits as a test configures it. */
import { expect, it } from 'vitest';
import type { Patchset } from '../../src/machines/model/domain.ts';
import { mergerContract } from '../contracts/merger.ts';
import { FakeMerger } from './merger.ts';

mergerContract('fake', async () => {
  const merger = new FakeMerger();
  let changes = 0;
  const at = (project: string) => ({ project, branch: 'master' });
  return {
    merger,
    upload: async (project) => {
      changes += 1;
      const uploaded = patchset(project, changes);
      merger.upload(uploaded);
      return uploaded;
    },
    land: async (project) => merger.land(at(project)),
    tip: async (project) => merger.tip(at(project)),
    conflict: async ({ change }) => {
      merger.conflict(change, ['a', 'b']);
      return ['a', 'b'];
    },
    keeps: async (review) => merger.kept.has(review),
    close: async () => {},
  };
});

it('fails as configured, and merges again after a conflict is resolved', async () => {
  const merger = new FakeMerger();
  const wanted = {
    type: 'mergePatchset',
    key: 'merge',
    review: 'r1',
    patchset: patchset('openstack/cinder', 1),
    dependencies: [],
    timeoutMs: 1_000,
  } as const;
  const signal = new AbortController().signal;
  merger.failNext({ operation: 'o', target: 't', message: 'no route', retryable: true, hint: 'h' });
  await expect(merger.merge(wanted, signal)).rejects.toThrow('no route');
  merger.conflict(1);
  expect(await merger.merge(wanted, signal)).toMatchObject({ merged: false, files: ['README'] });
  merger.conflict(1, []);
  expect(await merger.merge(wanted, signal)).toMatchObject({ merged: true });
});

function patchset(project: string, change: number): Patchset {
  return {
    project,
    branch: 'master',
    change,
    patchset: 1,
    revision: String(change).padStart(40, '0'),
    ref: `refs/changes/01/${change}/1`,
    subject: '',
    owner: '',
    url: '',
    topic: '',
  };
}
