/** Lookups with hostile text, and with answers that are late, invalid or about another change. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChangeLookup } from '../../../../src/adapters/gerrit/changes/change-lookup.ts';
import { SharedConnection } from '../../../../src/adapters/gerrit/transport/shared-connection.ts';
import type { GerritOptions } from '../../../../src/adapters/gerrit/transport/ssh-connection.ts';
import { FakeClock } from '../../../fakes/clock.ts';
import { SshServer } from '../../../fakes/ssh-server.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { keys, patchset, realClock, Site } from '../site.ts';

const signal = NEVER;
let site: Site;
let server: SshServer;
let shared: SharedConnection;
let lookupClock: FakeClock;

beforeEach(async () => {
  site = new Site();
  server = await SshServer.start([keys.ed25519.private]);
  lookupClock = new FakeClock();
});
afterEach(async () => {
  await shared?.close();
  await server.close();
  site.remove();
});

function changes(more: Partial<GerritOptions> = {}): ChangeLookup {
  const options = site.options(server.port, more);
  shared = new SharedConnection(options, realClock);
  // Retries use a fake clock; the timeout of an answer has to be real.
  const clock = { ...realClock, monotonic: () => lookupClock.monotonic() };
  return new ChangeLookup(options, clock, shared);
}

const request = {
  type: 'lookUpChange',
  key: 'look',
  patchset,
  dependencyLimit: 3,
  timeoutMs: 1_000,
} as const;
const lookUp = (by: ChangeLookup) => by.lookUp(request, signal);

function row(more: object = {}, set: object = {}): object {
  const { project, branch, change, revision, ref, url } = patchset;
  const currentPatchSet = { number: 3, revision, ref, parents: ['b'.repeat(40)], files: [], ...set };
  const commitMessage = 'Subject\n';
  return {
    project,
    branch,
    number: change,
    url,
    id: '',
    status: 'NEW',
    commitMessage,
    currentPatchSet,
    ...more,
  };
}

function answer(term: string, ...rows: readonly object[]): void {
  const lines = [...rows, { type: 'stats', rowCount: rows.length }].map((each) => JSON.stringify(each));
  server.on('gerrit query', ({ line, channel }) => {
    const matches = line.includes(term);
    channel.write(matches ? `${lines.join('\n')}\n` : '{"type":"stats","rowCount":0}\n');
    channel.exit(0);
    channel.end();
  });
}

describe('a missing change', () => {
  it('is queried again until it has been missing for long enough', async () => {
    answer('none');
    const by = changes({ indexLagMs: 10_000 });
    await expect(lookUp(by)).rejects.toMatchObject({ operation: 'look up change', retryable: true });
    await lookupClock.advance(9_999);
    await expect(lookUp(by)).rejects.toMatchObject({ retryable: true });
    await lookupClock.advance(1);
    expect(await lookUp(by)).toMatchObject({ status: 'missing', current: 0 });
    await expect(lookUp(by)).rejects.toMatchObject({ retryable: true });
  });

  it('starts a new wait when it was found in between', async () => {
    answer('none');
    const by = changes({ indexLagMs: 10_000 });
    await expect(lookUp(by)).rejects.toMatchObject({ retryable: true });
    await lookupClock.advance(10_000);
    answer('change:912345', row());
    expect(await lookUp(by)).toMatchObject({ status: 'open', current: 3 });
    answer('none');
    await expect(lookUp(by)).rejects.toMatchObject({ retryable: true });
  });

  it('is not reported as missing at once when it is a dependency', async () => {
    answer('change:912345', row({ commitMessage: 'S\n\nDepends-On: https://review.example.org/7\n' }));
    const by = changes({ indexLagMs: 10_000 });
    await expect(lookUp(by)).rejects.toMatchObject({
      retryable: true,
      message: '127.0.0.1 does not show all dependencies of 912345,3 yet',
    });
    await lookupClock.advance(2_999);
    await expect(lookUp(by)).rejects.toMatchObject({ retryable: true });
    await lookupClock.advance(1);
    expect(await lookUp(by)).toMatchObject({
      trouble: 'it depends on 7, which does not exist or is not visible to this CI',
    });
  });

  it('starts a new wait for a dependency that was found in between', async () => {
    const commitMessage = 'S\n\nDepends-On: https://review.example.org/7\n';
    const needs = (there: boolean) =>
      server.on('gerrit query', ({ line, channel }) => {
        const rows = line.includes('change:7')
          ? there
            ? [row({ number: 7 }, { ref: 'refs/changes/07/7/3' })]
            : []
          : [row({ commitMessage })];
        channel.write([...rows, { type: 'stats' }].map((each) => `${JSON.stringify(each)}\n`).join(''));
        channel.exit(0);
        channel.end();
      });
    const by = changes({ indexLagMs: 10_000 });
    needs(false);
    await expect(lookUp(by)).rejects.toMatchObject({ retryable: true });
    needs(true);
    expect(await lookUp(by)).toMatchObject({ trouble: null });
    await lookupClock.advance(3_000);
    needs(false);
    await expect(lookUp(by)).rejects.toMatchObject({ retryable: true });
  });
});

describe('an answer about another change', () => {
  it.each([
    ['of another project', row({ project: 'openstack/nova' })],
    ['with another commit', row({}, { revision: 'f'.repeat(40) })],
  ])('%s is refused', async (_what, shown) => {
    answer('change:912345', shown);
    await expect(lookUp(changes())).rejects.toMatchObject({ name: 'OperationError', retryable: false });
  });

  it('with another number counts as a missing change', async () => {
    answer('change:912345', row({ number: 5 }));
    expect(await lookUp(changes())).toMatchObject({ status: 'missing' });
  });
});

describe('files', () => {
  const filesOf = async (files: readonly unknown[], more: object = {}, limit = 3) => {
    answer('change:912345', row({}, { files, ...more }));
    return (await lookUp(changes({ maxFiles: limit }))).files;
  };

  it('are those that the change touches, with their old paths, without Gerrit’s own', async () => {
    const files = [
      { file: '/COMMIT_MSG', type: 'ADDED' },
      { file: 'b', fileOld: 'a', type: 'RENAMED' },
      { file: 'c d\u202e\n"', type: 'DELETED', deletions: -1 },
    ];
    expect(await filesOf(files)).toEqual(['b', 'a', 'c d\u202e\n"']);
  });

  it('are unknown if there are too many, for a merge commit, and for entries that are not files', async () => {
    expect(await filesOf([{ file: 'a' }, { file: 'b' }], {}, 1)).toBeNull();
    expect(await filesOf([{ file: '/MERGE_LIST' }], { parents: ['a', 'b'] })).toBeNull();
    for (const odd of [{}, null, 7, { file: 7 }, { file: '' }, { file: 'x'.repeat(501) }]) {
      expect(await filesOf([odd])).toBeNull();
    }
  });
});

it('keeps current votes, by username if there is one', async () => {
  const approvals = [
    { type: 'Verified', description: 'Verified', value: '1', by: { username: 'zuul' } },
    { type: 'Code-Review', value: '-2', by: { name: 'A person', email: 'a@example.org' } },
    { type: 'Workflow', value: '0', by: { username: 'x' } },
    { description: 'Old\u001b[31m', value: 2 },
  ];
  answer('change:912345', row({}, { approvals }));
  expect((await lookUp(changes())).votes).toEqual([
    { account: 'zuul', label: 'Verified', value: 1 },
    { account: '', label: 'Code-Review', value: -2 },
    { account: '', label: 'Old [31m', value: 2 },
  ]);
});

describe('dependencies', () => {
  const needing = (number: number, ...others: readonly number[]): object => {
    const revision = String(number).padStart(40, '0');
    const ref = `refs/changes/${String(number % 100).padStart(2, '0')}/${number}/1`;
    const lines = others.map((other) => `Depends-On: https://review.example.org/${other}\n`);
    const currentPatchSet = { number: 1, revision, ref };
    return row({ number, commitMessage: `S\n\n${lines.join('')}`, currentPatchSet });
  };
  const root = (...others: readonly number[]): object => {
    const { commitMessage } = needing(0, ...others) as { commitMessage: string };
    return row({ commitMessage });
  };

  it('of one level are one query', async () => {
    answer('change:912345', root(1, 2, 3));
    const scripted = changes();
    server.on('gerrit query', ({ line, channel }) => {
      const rows = line.includes('change:912345')
        ? [root(1, 2, 3)]
        : [1, 2, 3].map((number) => needing(number));
      channel.write(`${rows.map((each) => JSON.stringify(each)).join('\n')}\n{"type":"stats"}\n`);
      channel.exit(0);
      channel.end();
    });
    const { dependencies } = await lookUp(scripted);
    expect(dependencies.map(({ change }) => change)).toEqual([1, 2, 3]);
    expect(server.commands).toHaveLength(2);
    expect(server.commands[1]).toContain("'change:1 OR change:2 OR change:3'");
  });

  it('of an endless chain are queried no further than the limit', async () => {
    server.on('gerrit query', ({ line, channel }) => {
      const requested = [...line.matchAll(/change:(\d+)/g)].map(([, number]) => Number(number));
      const rows = requested.map((number) => (number === 912345 ? root(1) : needing(number, number + 1)));
      channel.write(`${rows.map((each) => JSON.stringify(each)).join('\n')}\n{"type":"stats"}\n`);
      channel.exit(0);
      channel.end();
    });
    expect(await lookUp(changes())).toMatchObject({
      dependencies: [],
      trouble: 'it depends on more than 3 changes that are not merged yet',
    });
    expect(server.commands.length).toBeLessThan(7);
  });

  it('numbering in the thousands are refused without being queried', async () => {
    answer('change:912345', root(...Array.from({ length: 5_000 }, (_, index) => index + 1)));
    expect(await lookUp(changes())).toMatchObject({ trouble: '912345 names more than 100 changes' });
    expect(server.commands).toHaveLength(1);
  });
});

it("reports Gerrit's error message", async () => {
  server.answer('gerrit query', '{"type":"error","message":"Invalid change format"}\n');
  await expect(lookUp(changes())).rejects.toMatchObject({
    name: 'OperationError',
    message: expect.stringContaining('Invalid change format'),
  });
});
