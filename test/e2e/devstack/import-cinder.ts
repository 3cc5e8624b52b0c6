/** Puts a checkout of Cinder into a case's Gerrit. */
import type { TestCase } from '../gerrit/case.ts';
import type { Checkout } from '../gerrit/checkout.ts';

export const PROJECT = 'openstack/cinder';

/** Adds the tree of CINDER_CHECKOUT as one commit: Gerrit wants special rights for a push of more than 10,000. */
export async function importCinder(testCase: TestCase): Promise<Checkout> {
  const [admin, dev] = [testCase.cloneOf(PROJECT, 'admin'), testCase.cloneOf(PROJECT, 'dev')];
  await admin.make();
  await admin.git('checkout', '--quiet', '--detach', await admin.tip());
  await admin.git(
    '-c',
    'safe.directory=*',
    'fetch',
    '--quiet',
    '--no-tags',
    '--depth=1',
    `file://${process.env.CINDER_CHECKOUT ?? ''}`,
    'HEAD',
  );
  await admin.git('read-tree', '--reset', '-u', 'FETCH_HEAD');
  await admin.git('commit', '--quiet', '--message', 'Import Cinder');
  await admin.git('push', '--quiet', 'origin', 'HEAD:refs/heads/master');
  await dev.make();
  return dev;
}
