/** Merging with git, in repositories on disk. */

import { GitMerger } from '../../../src/adapters/git/merger.ts';
import { treeRef } from '../../../src/adapters/git/tree-ref.ts';
import type { Patchset } from '../../../src/machines/model/domain.ts';
import { mergerContract } from '../../contracts/merger.ts';
import { needs } from '../../fixtures/needs.ts';
import { GitFixture } from './git-fixture.ts';

needs('git').describe('with git', () => {
  mergerContract('git', async () => {
    const fixture = new GitFixture();
    const cache = fixture.cache();
    const merger = new GitMerger(cache);
    let landed = 0;
    for (const project of ['openstack/cinder', 'openstack/nova']) fixture.land(project, { README: 'one\n' });
    const fileOf = ({ change }: Patchset) => `file-${change}`;
    return {
      merger,
      upload: async (project) => {
        const number = fixture.changes + 1;
        return fixture.upload(project, { [`file-${100 + number}`]: 'uploaded\n' });
      },
      land: async (project) => fixture.land(project, { [`landed-${++landed}`]: 'landed\n' }),
      tip: async (project) => fixture.tip(project),
      conflict: async (patchset) => {
        fixture.land(patchset.project, { [fileOf(patchset)]: 'something else\n' });
        return [fileOf(patchset)];
      },
      keeps: async (review, trees) => {
        if (!(await merger.reviews()).includes(review)) return false;
        return trees.every((tree) => {
          const { directory } = cache.project(tree.project);
          return (
            fixture.git(directory, 'for-each-ref', '--format=%(objectname)', treeRef(tree)) === tree.revision
          );
        });
      },
      close: () => fixture.close(),
    };
  });
});
