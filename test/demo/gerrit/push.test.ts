import { afterEach, beforeEach, describe, expect } from 'vitest';
import { newChangeId, type Ran } from '../../contracts/gerrit-fixture.ts';
import { needs } from '../../fixtures/needs.ts';
import { EmbeddedFixture } from './embedded-fixture.ts';

const { test } = needs('git', 'ssh');

let fixture: EmbeddedFixture;
beforeEach(async () => {
  fixture = await new EmbeddedFixture().open();
  await fixture.gerrit.createProject('demo', { 'a.txt': '1\n2\n3\n4\n5\n6\n7\n8\n9\n' });
  await fixture.git('.', 'clone', '-q', fixture.url('demo'), 'demo');
});
afterEach(() => fixture.close());

describe('patchset kinds', () => {
  test('by the difference from the previous one', async () => {
    const id = await fixture.commit('demo', 'One', { 'b.txt': 'b\n' });
    await pushAccepted();
    await amend(`One, better said\n\nChange-Id: ${id}\n`);
    await pushAccepted();
    await fixture.git('demo', 'commit', '-q', '--amend', '--no-edit', '--date=2001-01-01T00:00:00Z');
    await pushAccepted();
    fixture.writeFile('demo/b.txt', 'c\n');
    await fixture.git('demo', 'commit', '-q', '-a', '--amend', '--no-edit');
    await pushAccepted();
    await rebase('Elsewhere');
    await pushAccepted();
    await rebase('Elsewhere again');
    await amend(`One, rebased\n\nChange-Id: ${id}\n`);
    await pushAccepted();
    const kinds = fixture.gerrit.change(1).patchsets.map((patchset) => patchset.kind);
    expect(kinds).toEqual([
      'REWORK',
      'NO_CODE_CHANGE',
      'NO_CHANGE',
      'REWORK',
      'TRIVIAL_REBASE',
      'TRIVIAL_REBASE_WITH_MESSAGE_UPDATE',
    ]);
  });
});

describe('a push for review', () => {
  test('creates a change for each commit, and accepts no commit twice', async () => {
    await fixture.commit('demo', 'One', { 'b.txt': 'b\n' });
    await fixture.commit('demo', 'Two', { 'c.txt': 'c\n' });
    expect((await pushAccepted()).stderr).toMatch(/\/1 One \[NEW\]\s*\n.*\/2 Two \[NEW\]/);
    await fixture.commit('demo', 'Three', { 'd.txt': 'd\n' });
    expect((await pushAccepted()).stderr).not.toContain('One');
    const changes = [...fixture.gerrit.state.changes.values()];
    expect(changes.map((change) => [change.number, change.patchsets.length])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
  });

  test('with options sets topic, hashtags, work in progress and private', async () => {
    await fixture.commit('demo', 'One', {});
    await pushAccepted('%topic=t,hashtag=h,t=i,wip,private');
    const change = { topic: 't', hashtags: ['h', 'i'], wip: true, isPrivate: true };
    expect(fixture.gerrit.change(1)).toMatchObject(change);
    await fixture.git('demo', 'commit', '-q', '--amend', '--no-edit', '--allow-empty', '--date=2001-01-01');
    await pushAccepted('%ready,remove-private');
    expect(fixture.gerrit.change(1)).toMatchObject({ ...change, wip: false, isPrivate: false });
  });

  test('counts lines as Gerrit does', async () => {
    await fixture.commit('demo', 'One', { 'a.txt': '1\n2\n', 'b.txt': 'x\n' });
    await pushAccepted();
    expect(fixture.gerrit.change(1).patchsets[0]).toMatchObject({ insertions: 1 + 3 + 6, deletions: 7 });
  });

  test.each([
    ['No id', 'missing Change-Id in message footer'],
    ['Not in the footer\n\nChange-Id: ID\n\nSigned-off-by: me', 'missing Change-Id in message footer'],
    ['Bad id\n\nChange-Id: I123', 'invalid Change-Id line format in message footer'],
    ['Two\n\nChange-Id: ID\nChange-Id: ID', 'multiple Change-Id lines in message footer'],
  ])('with the message %j is rejected', async (message, why) => {
    const text = message.replaceAll('ID', newChangeId());
    await fixture.git('demo', 'commit', '-q', '--allow-empty', '-m', text);
    expect(await push('HEAD:refs/for/master')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(new RegExp(`\\(commit [0-9a-f]{7}: ${why}\\)`)),
    });
    expect(fixture.gerrit.state.changes.size).toBe(0);
  });

  test('is rejected for a closed change, an unknown branch or option, and without new commits', async () => {
    await fixture.commit('demo', 'One', { 'b.txt': 'b\n' });
    await pushAccepted();
    expect((await push('HEAD:refs/for/master')).stderr).toContain('(no new changes)');
    expect((await push('HEAD:refs/for/nope')).stderr).toContain('(branch nope not found)');
    expect((await push('HEAD:refs/for/master%frob')).stderr).toContain('("--frob" is not a valid option)');
    fixture.gerrit.as('dev').abandon(1);
    await amend(`One\n\nChange-Id: ${fixture.gerrit.change(1).id}\n`, '--date=2001-01-01T00:00:00Z');
    expect((await push('HEAD:refs/for/master')).stderr).toMatch(/\(change http.*\/1 closed\)/);
  });
});

describe('a push to a branch', () => {
  test('is allowed for administrators only', async () => {
    await fixture.commit('demo', 'One', { 'b.txt': 'b\n' });
    const refused = await push('HEAD:refs/heads/master');
    expect(refused.stderr).toContain('prohibited by Gerrit: not permitted: update');
    fixture.gerrit.setAccount({ ...account('dev'), admin: true });
    expect(await push('HEAD:refs/heads/master')).toMatchObject({ status: 0 });
  });
});

function account(name: string): { username: string; publicKeys: readonly string[] } {
  return { username: name, publicKeys: fixture.gerrit.state.accounts.get(name)?.publicKeys ?? [] };
}

function push(refspec: string): Promise<Ran> {
  return fixture.git('demo', 'push', '-q', 'origin', refspec);
}

async function pushAccepted(options = ''): Promise<Ran> {
  const ran = await push(`HEAD:refs/for/master${options}`);
  expect(ran).toMatchObject({ status: 0 });
  return ran;
}

async function amend(message: string, ...options: string[]): Promise<void> {
  const ran = await fixture.git(
    'demo',
    'commit',
    '-q',
    '--amend',
    '--allow-empty',
    '-m',
    message,
    ...options,
  );
  expect(ran).toMatchObject({ status: 0 });
}

/** Adds a commit to the branch, and rebases the change onto it. */
async function rebase(subject: string): Promise<void> {
  await fixture.git('demo', 'checkout', '-q', '-b', subject.replaceAll(' ', '-'), 'origin/master');
  await fixture.git('demo', 'commit', '-q', '--allow-empty', '-m', subject);
  const dev = fixture.gerrit.state.accounts.get('dev');
  fixture.gerrit.setAccount({ ...account('dev'), admin: true });
  expect(await push('HEAD:refs/heads/master')).toMatchObject({ status: 0 });
  if (dev !== undefined) fixture.gerrit.setAccount(dev);
  await fixture.git('demo', 'fetch', '-q', 'origin');
  expect(await fixture.git('demo', 'checkout', '-q', '@{-1}')).toMatchObject({ status: 0 });
  expect(await fixture.git('demo', 'rebase', '-q', 'origin/master')).toMatchObject({ status: 0 });
}
