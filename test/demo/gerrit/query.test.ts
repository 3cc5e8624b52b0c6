import { beforeEach, describe, expect, test } from 'vitest';
import { splitArguments } from '../../../src/demo/gerrit/command-line.ts';
import { runQuery } from '../../../src/demo/gerrit/query.ts';
import { postReview } from '../../../src/demo/gerrit/review.ts';
import { currentPatchset, type GerritAccount } from '../../../src/demo/gerrit/state.ts';
import { addChange, type Example, exampleSite } from './example-site.ts';

let example: Example;
beforeEach(() => {
  example = exampleSite();
  const { site, dev, admin } = example;
  addChange(site, admin, 'openstack/nova');
  addChange(site, dev, 'openstack/cinder').status = 'MERGED';
  const secret = addChange(site, dev, 'openstack/nova');
  secret.isPrivate = true;
  for (const change of site.changes.values()) change.lastUpdated = 1_800_000_000 + change.number * 10;
});

describe('finds', () => {
  test.each([
    ['change:1', [1]],
    ['2', [2]],
    ['change:99999', []],
    ['change:I1111111111', [1]],
    ['change:openstack/cinder~master~I1111111111111111111111111111111111111111', [1]],
    ['12f12f12f', [1]],
    ['commit:11f11f', [1]],
    ['status:open', [2, 1]],
    ['is:open owner:dev', [1]],
    ['owner:self', []],
    ['status:merged', [3]],
    ['status:closed', [3]],
    ['status:abandoned', []],
    ['project:openstack/cinder', [3, 1]],
    ['project:^openstack/.*', [3, 2, 1]],
    ['project:openstack/none', []],
    ['branch:master', [3, 2, 1]],
    ['branch:stable/x', []],
    ["'status:open -project:openstack/nova'", [1]],
    ['-- -status:open', [3]],
    ['NOT status:open', [3]],
    ['change:1 OR change:2', [2, 1]],
    ['\\(change:1 OR change:3\\) status:open', [1]],
    ['change:1 AND status:merged', []],
    ['after:{2027-01-15 08:00:20}', [3, 2]],
    ['since:\'"2027-01-15 08:00:30"\'', [3]],
    ["'before:2027-01-15'", []],
    ['"until:{2027-01-15 08:00:10}"', [1]],
    ['"until:{2027-01-15 09:00:10 +0100}"', [1]],
    ['"-age:1h"', []],
    ['is:wip', []],
  ])('%s', (query, numbers) => {
    if (query === '"-age:1h"') for (const change of example.site.changes.values()) change.lastUpdated = 0;
    const args = query.startsWith('"-age') ? ['status:open -age:1h'] : splitArguments(query);
    expect(changesOf(args).map((row) => row.number)).toEqual(numbers);
  });

  test('private changes only for accounts that may see them', () => {
    expect(changesOf(['status:open'], example.dev).map((row) => row.number)).toEqual([4, 2, 1]);
  });
});

describe('pages', () => {
  test('by limit and start, and reports whether there are more', () => {
    expect(rows(['limit:2']).at(-1)).toMatchObject({ type: 'stats', rowCount: 2, moreChanges: true });
    expect(changesOf(['limit:2', '--start', '2']).map((row) => row.number)).toEqual([1]);
    expect(rows(['limit:2', '--start=2']).at(-1)).toMatchObject({ rowCount: 1, moreChanges: false });
  });
});

describe('rejects', () => {
  test.each([
    ['foo:bar', 'Unsupported operator foo:bar'],
    ['status:bogus', 'Unrecognized value: bogus'],
    ['after:xyz', 'Invalid date format: xyz'],
    ['limit:x', 'Invalid limit: x'],
    ['change:abc', 'Invalid change format'],
  ])('%s with an error row', (query, message) => {
    expect(rows([query])).toEqual([{ type: 'error', message }]);
  });

  test('an unknown option, and an empty query', () => {
    expect(() => rows(['-age:1h'])).toThrow('"-age:1h" is not a valid option');
    expect(() => rows([])).toThrow('Argument "QUERY" is required');
  });
});

describe('shows', () => {
  test('the plain row as Gerrit does, without the commit message', () => {
    const line = runQuery(example.site, example.ci, ['--format=JSON', 'change:1']).split('\n')[0] ?? '';
    expect(line).toContain('"subject":"Change \\u003c1\\u003e"');
    expect(Object.keys(JSON.parse(line))).toEqual(
      'project branch id number subject owner url hashtags createdOn lastUpdated open status'.split(' '),
    );
    expect(changesOf(['--commit-message', 'change:1'])[0]).toHaveProperty('commitMessage');
  });

  test('comments, patchsets and approvals on request', () => {
    const { site, ci, change } = example;
    const input = { message: 'Build failed', labels: { Verified: -1 }, tag: 't', comments: {} };
    postReview(site, ci, change, currentPatchset(change), input);
    const by = { name: 'ci', email: 'ci@example.org', username: 'ci' };
    const [row] = changesOf(['--comments', '--current-patch-set', '--patch-sets', 'change:1']);
    const at = expect.any(Number);
    expect(row?.comments).toEqual([
      { timestamp: at, reviewer: by, message: 'Patch Set 2: Verified-1\n\nBuild failed' },
    ]);
    const approvals = [{ type: 'Verified', description: 'Verified', value: '-1', grantedOn: at, by }];
    expect(row?.currentPatchSet).toMatchObject({ number: 2, approvals, sizeInsertions: 8, sizeDeletions: 1 });
    expect(row?.patchSets).toHaveLength(2);
    expect(JSON.stringify(row?.patchSets)).not.toContain('approvals');
    const [full] = changesOf(['--all-approvals', 'change:1']);
    expect(full?.patchSets).toMatchObject([{ number: 1 }, { number: 2, approvals }]);
  });
});

function rows(args: readonly string[], by: GerritAccount = example.ci): Record<string, unknown>[] {
  return runQuery(example.site, by, ['--format=JSON', ...args])
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** The changes of a result; checks its row of statistics. */
function changesOf(args: readonly string[], by?: GerritAccount): Record<string, unknown>[] {
  const all = rows(args, by);
  expect(all.pop()).toMatchObject({ type: 'stats', rowCount: all.length });
  return all;
}
