/** Objects of Swift: content is streamed, repeated from its beginning, and read as text. */
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CloudRequest } from '../../../../src/adapters/openstack/session/session.ts';
import { AbortedError } from '../../../../src/errors.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { failure, json, KeystoneFixture, service } from './keystone-fixture.ts';

let fixture: KeystoneFixture;
let opened: Readable[];
beforeEach(async () => {
  fixture = await KeystoneFixture.start();
  fixture.catalogue = [service('object-store', `${fixture.server.url}/v1/AUTH_p1`)];
  opened = [];
});
afterEach(() => fixture.stop());

const put = (pieces: () => Iterable<string> | AsyncIterable<string>, bytes: number): CloudRequest => ({
  method: 'PUT',
  path: 'logs/a',
  headers: { 'content-type': 'text/plain', 'x-delete-after': '60' },
  content: {
    bytes,
    open: () => {
      const stream = Readable.from(pieces());
      opened.push(stream);
      return stream;
    },
  },
});

test('content is sent as it is, with the headers of the request', async () => {
  expect(
    await fixture.session.request(
      'object',
      put(() => ['ab', 'c'], 3),
      NEVER,
    ),
  ).toMatchObject({
    status: 200,
  });
  const call = fixture.server.calls.at(-1);
  expect(call).toMatchObject({ method: 'PUT', url: '/v1/AUTH_p1/logs/a', body: 'abc' });
  expect(call?.headers).toMatchObject({
    ...{ 'content-length': '3', 'content-type': 'text/plain', 'x-delete-after': '60' },
    'x-auth-token': 'token-1',
  });
});

test('content is sent again from its beginning while Swift is unavailable, and after a 401', async () => {
  const statuses = [503, 401, 201];
  fixture.answer = ({ response }) => json(response, statuses.shift() ?? 500, {});
  await fixture.session.request(
    'object',
    put(() => ['ab', 'c'], 3),
    NEVER,
  );
  expect(fixture.server.calls.filter(({ method }) => method === 'PUT').map(({ body }) => body)).toEqual([
    'abc',
    'abc',
    'abc',
  ]);
});

test('a source that fails or is aborted ends the request, and is closed', async () => {
  async function* failing() {
    yield 'ab';
    throw new Error('the disk failed');
  }
  expect(await failure(fixture.session.request('object', put(failing, 3), NEVER))).toMatchObject({
    message: expect.stringContaining('the disk failed'),
  });
  const stop = new AbortController();
  async function* endless() {
    for (;;) {
      yield 'a'.repeat(1_000_000);
      stop.abort();
    }
  }
  const aborted = fixture.session.request('object', put(endless, 1e9), stop.signal);
  expect(await failure(aborted)).toBeInstanceOf(AbortedError);
  await expect.poll(() => opened.map(({ destroyed }) => destroyed)).not.toContain(false);
});

test('an answer is text if the request says so', async () => {
  fixture.answer = ({ response }) => response.end('{"not": parsed');
  const request = { method: 'GET', path: 'logs/a', text: true } as const;
  expect(await fixture.session.request('object', request, NEVER)).toMatchObject({ body: '{"not": parsed' });
});
