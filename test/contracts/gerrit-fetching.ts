/** The refs that Gerrit serves to git, and its error messages. */
import { expect, test } from 'vitest';
import { amend, done, last2, push } from './gerrit-acts.ts';
import type { GerritFixture } from './gerrit-fixture.ts';

export function rightsTests(at: () => GerritFixture): void {
  test('serves every patchset by its ref, and the branches', async () => {
    const change = await push(at(), { 'fetched.txt': 'one\n' });
    await amend(at(), { files: { 'fetched.txt': 'two\n' } });
    for (const [patchset, text] of [
      [1, 'one\n'],
      [2, 'two\n'],
    ]) {
      await done(
        at().git('clone', 'fetch', '-q', 'origin', `refs/changes/${last2(change)}/${change}/${patchset}`),
      );
      expect((await at().git('clone', 'show', 'FETCH_HEAD:fetched.txt')).stdout).toBe(text);
    }
    const branches = await at().git('clone', 'ls-remote', 'origin', 'refs/heads/*');
    expect(branches.stdout).toMatch(/^[0-9a-f]{40}\trefs\/heads\/master\n/);
  });

  test('names a missing project', async () => {
    const missing = await at().ssh('acme-ci', "git-upload-pack '/contract/none'");
    expect(missing).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^fatal: project contract\/none not found$/m),
    });
  });

  test('reports its version, and rejects unknown commands', async () => {
    const version = await at().ssh('acme-ci', 'gerrit version');
    expect(version).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^gerrit version 3\.\d+\.\d+\n$/),
    });
    const other = await at().ssh('acme-ci', 'gerrit nosuch');
    expect(other).toMatchObject({ status: 1, stderr: 'fatal: gerrit: nosuch: not found\n' });
  });
}
