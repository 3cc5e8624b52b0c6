/** Gerrit's change history, page by page, over SSH against a server with scripted answers. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ChangeHistoryQuery } from '../../../../src/adapters/gerrit/history/change-history.ts';
import { sshPages } from '../../../../src/adapters/gerrit/history/pages-ssh.ts';
import {
  connectToGerrit,
  type GerritOptions,
} from '../../../../src/adapters/gerrit/transport/ssh-connection.ts';
import type { SshClient } from '../../../../src/adapters/ssh/client/client.ts';
import { SshServer } from '../../../fakes/ssh-server.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { keys, realClock, Site } from '../site.ts';

const DEV = { username: 'dev', name: 'Dev', email: 'dev@example.org' };
const row = (number: number, comment = 'recheck') => ({
  project: 'openstack/cinder',
  branch: 'master',
  number,
  subject: `change ${number}`,
  owner: DEV,
  url: `https://review.example.org/${number}`,
  status: 'NEW',
  lastUpdated: 1_795_350_000,
  comments: [{ timestamp: 1_795_350_000, reviewer: DEV, message: `Patch Set 1:\n\n${comment}` }],
  currentPatchSet: {
    number: 1,
    revision: String(number).padStart(40, 'e'),
    ref: `refs/changes/${String(number).slice(-2).padStart(2, '0')}/${number}/1`,
    kind: 'REWORK',
    createdOn: 1_795_340_000,
    uploader: DEV,
    author: DEV,
  },
});
const lines = (...rows: readonly object[]) => rows.map((one) => `${JSON.stringify(one)}\n`).join('');
const stats = (moreChanges: boolean) => ({ type: 'stats', rowCount: 1, moreChanges });

let site: Site;
let server: SshServer;
let connections: SshClient[];
beforeEach(async () => {
  site = new Site();
  server = await SshServer.start([keys.ed25519.private]);
  connections = [];
});
afterEach(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await server.close();
  site.remove();
});

async function historyQuery(pageRows = 2, more: Partial<GerritOptions> = {}): Promise<ChangeHistoryQuery> {
  const options = site.options(server.port, more);
  const connection = await connectToGerrit(options, realClock, NEVER);
  connections.push(connection);
  return new ChangeHistoryQuery(
    sshPages(options, () => connection),
    pageRows,
  );
}

const request = { since: 1_795_340_000_000, projects: ['openstack/cinder'], changes: [], commentsSince: 0 };

/** Answers each page by its start offset. */
function answerPages(numbers: readonly number[]): void {
  server.on('gerrit query', ({ line, channel }) => {
    const start = Number(/--start=(\d+)/.exec(line)?.[1] ?? 0);
    const limit = Number(/limit:(\d+)/.exec(line)?.[1]);
    const page = numbers.slice(start, start + limit);
    channel.write(lines(...page.map((number) => row(number)), stats(numbers.length > start + limit)));
    channel.exit(0);
    channel.end();
  });
}

describe('pages', () => {
  test('are read to the end; each repeats the last row of the previous one', async () => {
    answerPages([1, 2, 3, 4, 5]);
    const { changes, unparsed } = await (await historyQuery(3)).read(request, NEVER);
    expect(changes.map(({ change }) => change)).toEqual([1, 2, 3, 4, 5]);
    expect(unparsed).toBe(0);
    expect(server.commands.map((line) => /--start=(\d+)/.exec(line)?.[1] ?? '0')).toEqual(['0', '2']);
    expect(server.commands[0]).toMatch(
      /after:\{[\d-]+ [\d:]+ \+0000\} \(project:openstack\/cinder\) limit:3/,
    );
  });

  test('of one row each advance by one row', async () => {
    answerPages([1, 2, 3]);
    const { changes } = await (await historyQuery(1)).read(request, NEVER);
    expect(changes.map(({ change }) => change)).toEqual([1, 2, 3]);
  });

  test('that are too long are queried in smaller ones; a single row that is too long is counted', async () => {
    const long = 'x'.repeat(5_000);
    server.on('gerrit query', ({ line, channel }) => {
      const start = Number(/--start=(\d+)/.exec(line)?.[1] ?? 0);
      const limit = Number(/limit:(\d+)/.exec(line)?.[1]);
      const all = [row(1), row(2, long), row(3)];
      channel.write(lines(...all.slice(start, start + limit), stats(all.length > start + limit)));
      channel.exit(0);
      channel.end();
    });
    const reader = await historyQuery(4, { maxResponseBytes: 4_000 });
    const { changes, unparsed } = await reader.read(request, NEVER);
    expect([changes.map(({ change }) => change), unparsed]).toEqual([[1, 3], 1]);
  });

  test('named changes are queried separately, but not twice', async () => {
    server.on('gerrit query', ({ line, channel }) => {
      channel.write(lines(row(line.includes('change:9') ? 9 : 1), stats(false)));
      channel.exit(0);
      channel.end();
    });
    const { changes } = await (await historyQuery()).read({ ...request, changes: [1, 9] }, NEVER);
    expect(changes.map(({ change }) => change)).toEqual([1, 9]);
    expect(server.commands[1]).toContain('(change:9)');
  });
});

describe('an invalid answer', () => {
  test.each([0, 1])('an error row is a failure with exit status %i', async (status) => {
    server.answer(
      'gerrit query',
      lines({ type: 'error', message: 'line 1:5 no viable alternative' }),
      status,
    );
    await expect((await historyQuery()).read(request, NEVER)).rejects.toMatchObject({ retryable: true });
  });

  test('an error row after valid rows invalidates all of them', async () => {
    server.answer('gerrit query', lines(row(1), { type: 'error', message: 'Index not ready' }));
    await expect((await historyQuery()).read(request, NEVER)).rejects.toThrow('Index not ready');
  });

  test.each([
    ['nothing at all', ''],
    ['no stats row at the end', lines(row(1))],
    ['text that is not JSON', 'fatal: gerrit is starting\n'],
  ])('%s is a retryable failure', async (_, text) => {
    server.answer('gerrit query', text);
    await expect((await historyQuery()).read(request, NEVER)).rejects.toMatchObject({ retryable: true });
  });

  test('a failure of the second page fails the whole query', async () => {
    let calls = 0;
    server.on('gerrit query', ({ channel }) => {
      calls += 1;
      channel.write(
        calls === 1 ? lines(row(1), row(2), stats(true)) : lines({ type: 'error', message: 'went away' }),
      );
      channel.exit(0);
      channel.end();
    });
    await expect((await historyQuery()).read(request, NEVER)).rejects.toThrow('went away');
  });

  test('a silent server times out, and a stop aborts', async () => {
    server.on('gerrit query', () => {});
    const reader = await historyQuery(2, { commandTimeoutMs: 50 });
    await expect(reader.read(request, NEVER)).rejects.toThrow('gerrit query: no answer within 50ms');
    const stop = new AbortController();
    const calls = (await historyQuery()).read(request, stop.signal);
    const stopped = expect(calls).rejects.toThrow('was stopped');
    await server.until(() => server.commands.length === 2);
    stop.abort();
    await stopped;
  });

  test('without a connection no query is sent', async () => {
    const options = site.options(server.port);
    const reader = new ChangeHistoryQuery(
      sshPages(options, () => null),
      2,
    );
    await expect(reader.read(request, NEVER)).rejects.toMatchObject({ retryable: true });
  });
});
