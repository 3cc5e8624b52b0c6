/** Queries to a Gerrit: rows, pages, conditions, errors. */
import { expect, test } from 'vitest';
import {
  ACME,
  AT,
  amend,
  DEV,
  done,
  type Json,
  last2,
  PROJECT,
  patchset,
  push,
  query,
  review,
  SHA,
} from './gerrit-acts.ts';
import type { GerritFixture } from './gerrit-fixture.ts';

export function queryTests(at: () => GerritFixture): void {
  test('shows a change with its patchsets, comments and votes', async () => {
    const change = await push(at(), { 'new.txt': 'a\n' });
    await amend(at(), { files: { 'new.txt': 'b\n', 'more.txt': 'c\n' } });
    await done(review(at(), 'acme-ci', change, { message: 'Build succeeded.', labels: { Verified: 1 } }, 2));
    const { rows, stats } = await query(
      at(),
      `--comments --patch-sets --all-approvals --commit-message change:${change}`,
    );
    expect(stats).toEqual({ type: 'stats', rowCount: 1, runTimeMilliseconds: AT, moreChanges: false });
    expect(rows[0]).toMatchObject({
      project: PROJECT,
      branch: 'master',
      number: change,
      subject: 'A change',
      owner: DEV,
      commitMessage: expect.stringContaining('Change-Id: I'),
      createdOn: AT,
      lastUpdated: AT,
      open: true,
      status: 'NEW',
    });
    const sets = rows[0]?.patchSets as Json[];
    const vote = { type: 'Verified', description: 'Verified', value: '1', grantedOn: AT, by: ACME };
    expect(sets).toEqual([
      patchset(change, 1, 'REWORK'),
      { ...patchset(change, 2, 'REWORK'), approvals: [vote] },
    ]);
    expect(rows[0]?.comments).toContainEqual({
      timestamp: AT,
      reviewer: ACME,
      message: 'Patch Set 2: Verified+1\n\nBuild succeeded.',
    });
  });

  test('shows the current patchset with its votes, and no commit message unless requested', async () => {
    const change = await push(at());
    await done(review(at(), 'zuul', change, { labels: { Verified: 2 } }));
    const { rows } = await query(at(), `--current-patch-set change:${change}`);
    expect(rows[0]?.currentPatchSet).toMatchObject({
      number: 1,
      revision: SHA,
      ref: `refs/changes/${last2(change)}/${change}/1`,
      approvals: [{ type: 'Verified', value: '2', by: { username: 'zuul' } }],
    });
    expect(rows[0]).not.toHaveProperty('commitMessage');
  });

  test('counts comments in a message, and shows them with their patchset in the order of their files', async () => {
    const change = await push(at(), { 'f.txt': 'f\n' });
    const dev = at().person('dev');
    const reply = (message: string) => ({ '/PATCHSET_LEVEL': [{ message }] });
    await dev.review(change, { labels: { 'Code-Review': 1 }, comments: reply('z') });
    await dev.review(change, { comments: { 'f.txt': [{ message: 'why?' }], ...reply('a') } });
    const { rows } = await query(at(), `--comments --current-patch-set change:${change}`);
    const texts = ((rows[0]?.comments ?? []) as Json[]).map(({ message }) => message);
    expect(texts.slice(1)).toEqual([
      'Patch Set 1: Code-Review+1\n\n(1 comment)',
      'Patch Set 1:\n\n(2 comments)',
    ]);
    const { comments } = (rows[0]?.currentPatchSet ?? {}) as Json;
    const comment = (file: string, message: string) => ({ file, line: 0, reviewer: DEV, message });
    expect(comments).toEqual([
      comment('/PATCHSET_LEVEL', 'z'),
      comment('/PATCHSET_LEVEL', 'a'),
      comment('f.txt', 'why?'),
    ]);
  });

  test('shows the files of a patchset: commit message first, then added, modified, deleted and renamed', async () => {
    await done(at().git('clone', 'fetch', '-q', 'origin', 'master'));
    const text = 'the same line over and over\n'.repeat(20);
    const first = await push(at(), { 'old name.txt': text, 'gone.txt': 'x\n', 'kept.txt': 'y\n' });
    await at().git('clone', 'mv', 'old name.txt', 'new.txt');
    await at().git('clone', 'rm', '-q', 'gone.txt');
    await at().commit('clone', 'On top', { 'kept.txt': 'z\n', 'added.txt': 'a\n' });
    await done(at().git('clone', 'push', '-q', 'origin', 'HEAD:refs/for/master'));
    const { rows } = await query(at(), `--current-patch-set --files --dependencies change:${first + 1}`);
    const files = (rows[0]?.currentPatchSet as Json | undefined)?.files as readonly Json[];
    expect(files[0]).toMatchObject({ file: '/COMMIT_MSG', type: 'ADDED' });
    expect(new Set(files.slice(1))).toEqual(
      new Set([
        { file: 'added.txt', type: 'ADDED', insertions: 1, deletions: 0 },
        { file: 'gone.txt', type: 'DELETED', insertions: 0, deletions: -1 },
        { file: 'kept.txt', type: 'MODIFIED', insertions: 1, deletions: -1 },
        { file: 'new.txt', fileOld: 'old name.txt', type: 'RENAMED', insertions: 0, deletions: 0 },
      ]),
    );
    const ref = `refs/changes/${last2(first)}/${first}/1`;
    const under = { id: expect.any(String), number: first, revision: SHA, ref, isCurrentPatchSet: true };
    expect(rows[0]).toMatchObject({ dependsOn: [under] });
    const below = await query(at(), `--dependencies change:${first}`);
    expect(below.rows[0]).toMatchObject({ neededBy: [{ number: first + 1, revision: SHA }] });
  });

  test('pages with limit and --start, and reports whether there are more', async () => {
    const [older, newer] = [await push(at()), await push(at())];
    await at().person('dev').review(newer, { message: 'so that it is the newest' });
    const numbers = async (page: string): Promise<unknown[]> => {
      const { rows, stats } = await query(
        at(),
        `${page} project:${PROJECT} change:${older} OR change:${newer}`,
      );
      return [...rows.map(({ number }) => number), stats.moreChanges];
    };
    expect(new Set(await numbers(''))).toEqual(new Set([newer, older, false]));
    const [first, more] = await numbers('limit:1');
    const [second, rest] = await numbers('--start 1 limit:1');
    expect(new Set([first, second])).toEqual(new Set([older, newer]));
    expect([more, rest]).toEqual([true, false]);
  });

  test('finds by time of update and by status', async () => {
    const change = await push(at());
    const found = async (text: string): Promise<boolean> =>
      (await query(at(), `change:${change} ${text}`)).rows.length > 0;
    const time = (plusSeconds: number): string =>
      new Date(Date.now() + plusSeconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
    expect(await found(`'after:{${time(-60)}}'`)).toBe(true);
    expect(await found(`'since:"${time(-60)}"'`)).toBe(true);
    expect(await found(`'after:{${time(60)}}'`)).toBe(false);
    expect(await found('status:open')).toBe(true);
    await at().person('dev').abandon(change);
    expect(await found('status:open')).toBe(false);
    expect(await found('status:abandoned')).toBe(true);
  });

  test('returns no row for a missing change, and an error row with exit 0 for an invalid query', async () => {
    expect((await query(at(), 'change:999999')).rows).toEqual([]);
    const { status, stdout } = await at().ssh('acme-ci', 'gerrit query --format=JSON nosuch:thing');
    expect([status, JSON.parse(stdout)]).toEqual([0, { type: 'error', message: expect.any(String) }]);
    const option = await at().ssh('acme-ci', 'gerrit query --format=JSON -age:1h');
    expect(option).toMatchObject({ status: 1, stderr: expect.stringContaining('is not a valid option') });
  });
}
