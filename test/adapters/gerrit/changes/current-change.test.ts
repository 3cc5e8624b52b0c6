/** One change as a query shows it, with everything that rules check. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCurrentChange } from '../../../../src/adapters/gerrit/changes/current-change.ts';
import { SshServer } from '../../../fakes/ssh-server.ts';
import { keys, patchset, realClock, Site } from '../site.ts';

const DEV = { username: 'dev', name: 'Dev', email: 'dev@example.org' };
const ROW = {
  project: patchset.project,
  branch: 'master',
  id: 'I1',
  number: patchset.change,
  subject: patchset.subject,
  owner: DEV,
  url: patchset.url,
  hashtags: ['acme'],
  status: 'NEW',
  wip: true,
  currentPatchSet: {
    number: 3,
    revision: patchset.revision,
    ref: patchset.ref,
    parents: ['b'.repeat(40)],
    uploader: DEV,
    author: { ...DEV, username: '' },
    kind: 'REWORK',
    approvals: [{ type: 'Verified', value: '1', by: { username: 'zuul' } }],
    files: [{ file: '/COMMIT_MSG' }, { file: 'cinder/a.py' }],
  },
};
let site: Site;
let server: SshServer;

beforeEach(async () => {
  site = new Site();
  server = await SshServer.start([keys.ed25519.private]);
});
afterEach(async () => {
  await server.close();
  site.remove();
});

const ask = (row: object | null) => {
  const stats = '{"type":"stats","rowCount":1}';
  server.answer('gerrit query', `${row === null ? '' : `${JSON.stringify(row)}\n`}${stats}\n`);
  return readCurrentChange(site.options(server.port), realClock, patchset.change);
};

describe('a change', () => {
  test('is read completely', async () => {
    expect(await ask(ROW)).toEqual({
      patchset,
      status: 'open',
      kind: 'REWORK',
      wip: true,
      private: false,
      uploader: DEV,
      author: { ...DEV, username: '' },
      hashtags: ['acme'],
      files: ['cinder/a.py'],
      votes: [{ account: 'zuul', label: 'Verified', value: 1 }],
    });
  });

  test.each([
    ['MERGED', 'merged'],
    ['ABANDONED', 'abandoned'],
    ['DRAFT', 'open'],
  ])('that is %s is %s', async (status, expected) => {
    expect(await ask({ ...ROW, status })).toMatchObject({ status: expected });
  });

  test('that Gerrit does not show is null', async () => {
    expect(await ask(null)).toBeNull();
    expect(await ask({ ...ROW, number: 7 })).toBeNull();
  });

  test.each([
    ['no patchset', { ...ROW, currentPatchSet: undefined }],
    ['no project', { ...ROW, project: undefined }],
    ['another shape', { ...ROW, number: 'x' }],
  ])('with %s is an error', async (_what, row) => {
    await expect(ask(row)).rejects.toMatchObject({ operation: 'query change', retryable: false });
    await server.until(() => server.open === 0);
  });
});
