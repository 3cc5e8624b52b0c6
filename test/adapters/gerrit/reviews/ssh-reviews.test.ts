import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GerritOptions } from '../../../../src/adapters/gerrit/transport/ssh-connection.ts';
import type { Clock } from '../../../../src/engine/ports/adapters.ts';
import type { Patchset } from '../../../../src/machines/model/domain.ts';
import { GerritModel } from '../../../fakes/gerrit-model.ts';
import { reply, SshServer } from '../../../fakes/ssh-server.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { next, posted, request, reviewerAt } from '../review-fixture.ts';
import { keys, patchset, Site } from '../site.ts';

const signal = NEVER;
let site: Site;
let server: SshServer;
let gerrit: GerritModel;

beforeEach(async () => {
  site = new Site();
  server = await SshServer.start([keys.ed25519.private]);
  gerrit = new GerritModel(server);
  gerrit.addPatchset(patchset);
});
afterEach(async () => {
  await server.close();
  site.remove();
});

const reviewer = (more: Partial<GerritOptions> = {}, clock?: Clock) => reviewerAt(site, server, more, clock);
const reviews = () => server.commands.filter((line) => line.startsWith('gerrit review'));

describe('a connection error loses no review', () => {
  test.each([
    ['verify host key', () => ({ knownHostsFile: site.file('kh', '') })],
    ['read private key', () => ({ keyFile: '/nonexistent/key' })],
    ['connect', () => ({ port: 1 })],
  ])('%s: retryable, with a hint', async (operation, more: () => Partial<GerritOptions>) => {
    await expect(reviewer(more()).post(request(), signal)).rejects.toMatchObject({
      operation,
      retryable: true,
      hint: expect.stringMatching(/./),
    });
  });
});

describe('votes', () => {
  const votes = (more: Partial<Patchset> = {}) =>
    reviewer().readVotes(
      { type: 'readVotes', key: 'v', patchset: { ...patchset, ...more }, timeoutMs: 1 },
      signal,
    );

  test('include only ours', async () => {
    await reviewer().post(request(), signal);
    expect(await votes()).toEqual({ Verified: -1 });
  });

  test('are read on an older patchset too', async () => {
    await reviewer().post(request(), signal);
    gerrit.addPatchset(next);
    expect(await votes()).toEqual({ Verified: -1 });
    expect(await votes({ patchset: 4 })).toEqual({});
  });

  test('of a hidden patchset are an error', async () => {
    await expect(votes({ patchset: 9 })).rejects.toMatchObject({ operation: 'read votes', retryable: true });
    await expect(votes({ change: 1 })).rejects.toMatchObject({ operation: 'read votes', retryable: true });
  });
});

test('a caller that waits for a slot leaves the queue on abort', async () => {
  const sshReviewer = reviewer({ maxConcurrentQueries: 1 });
  let answer = (): void => {};
  server.on('gerrit review', ({ channel }) => {
    answer = () => reply(channel, '');
  });
  const first = sshReviewer.post(request(), signal);
  await server.until(() => reviews().length === 1);
  const abort = new AbortController();
  const second = sshReviewer.post(request({ run: 'run-2', message: 'x run-2' }), abort.signal);
  abort.abort(new Error('the daemon stops'));
  await expect(second).rejects.toMatchObject({ name: 'OperationError', retryable: true });
  answer();
  expect(await first).toEqual(posted);
  expect(server.connections).toBe(1);
});

test('many concurrent reviews share one connection, and each is posted', async () => {
  const sshReviewer = reviewer();
  const posts = Array.from({ length: 10 }, (_, index) => {
    const run = `run-${index}-`;
    return sshReviewer.post(request({ run, message: `x ${run}` }), signal);
  });
  expect((await Promise.all(posts)).every((outcome) => outcome.posted)).toBe(true);
  expect(gerrit.messages(912345)).toHaveLength(10);
  expect(server.connections).toBe(1);
});

test('a connection that died unnoticed since the last review is replaced', async () => {
  const sshReviewer = reviewer();
  expect(await sshReviewer.post(request(), signal)).toEqual(posted);
  let cuts = 0;
  server.on('gerrit query', ({ line, channel, cut }) => {
    cuts += 1;
    if (cuts === 1) cut();
    else reply(channel, gerrit.query(line));
  });
  expect(await sshReviewer.post(request({ run: 'run-2', message: 'x run-2' }), signal)).toEqual(posted);
  expect(server.connections).toBe(2);
  expect(reviews()).toHaveLength(2);
});

test('a review whose connection broke is not sent again automatically', async () => {
  const sshReviewer = reviewer();
  expect(await sshReviewer.post(request(), signal)).toEqual(posted);
  server.on('gerrit review', async ({ stdin, cut }) => {
    await stdin;
    cut();
  });
  const more = request({ run: 'run-2', message: 'x run-2' });
  await expect(sshReviewer.post(more, signal)).rejects.toMatchObject({ retryable: true });
  expect(reviews()).toHaveLength(2);
});
