import { createServer, type Server } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RestClient, type RestOptions } from '../../../../src/adapters/gerrit/transport/rest-client.ts';
import { UnknownOutcomeError } from '../../../../src/adapters/gerrit/transport/unknown-outcome.ts';
import type { Clock } from '../../../../src/engine/ports/adapters.ts';
import { OperationError } from '../../../../src/errors.ts';
import { makeCertificate } from '../../../fakes/certificate.ts';
import { WebServer } from '../../../fakes/web-server.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { HeldClock, realClock, Site } from '../site.ts';

const PASSWORD = 'correct horse battery staple';
let site: Site;
let server: WebServer;
const clients: RestClient[] = [];

beforeEach(async () => {
  site = new Site();
  server = await WebServer.start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
  site.remove();
});

function client(more: Partial<RestOptions> = {}, clock: Clock = realClock): RestClient {
  const created = new RestClient(
    {
      url: server.url,
      user: 'acme-ci',
      password: () => PASSWORD,
      caFile: null,
      connectTimeoutMs: 20_000,
      requestTimeoutMs: 20_000,
      idleMs: 15_000,
      retryAfterMaxMs: 600_000,
      answerLimitBytes: 1024 * 1024,
      connections: 4,
      ...more,
    },
    clock,
  );
  clients.push(created);
  return created;
}

const get = (path = 'x') => ({ method: 'GET', path, body: null }) as const;
const post = (body: object = { message: 'hi' }) => ({ method: 'POST', path: 'y/review', body }) as const;

async function failure(work: Promise<unknown>): Promise<OperationError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OperationError)) throw new Error(`no OperationError: ${inspect(error)}`);
  // No error may contain our password: errors are logged and stored.
  const shown = inspect(error, { depth: 10, showHidden: true });
  expect(shown).not.toContain(PASSWORD);
  expect(shown).not.toContain(Buffer.from(`acme-ci:${PASSWORD}`).toString('base64'));
  return error;
}

describe('a request', () => {
  test('logs in, identifies itself, and sends JSON', async () => {
    const { status, text } = await client({ url: `${server.url}/gerrit` }).request(post({ a: 'ü' }), NEVER);
    expect([status, text]).toEqual([200, 'ok']);
    expect(server.calls).toMatchObject([
      {
        method: 'POST',
        url: '/gerrit/a/y/review',
        body: '{"a":"ü"}',
        headers: {
          authorization: `Basic ${Buffer.from(`acme-ci:${PASSWORD}`).toString('base64')}`,
          'content-type': 'application/json; charset=utf-8',
          'user-agent': 'sos-ci',
        },
      },
    ]);
  });

  test('keeps its connection for the next one', async () => {
    const restClient = client();
    for (let times = 0; times < 3; times += 1) await restClient.request(get(), NEVER);
    expect(server.connections).toBe(1);
  });

  test('is limited in concurrency', async () => {
    const restClient = client({ connections: 2 });
    server.answer = () => {};
    const three = [1, 2, 3].map(() => restClient.request(get(), NEVER));
    await server.called(2);
    expect(server.connections).toBe(2);
    server.answer = ({ response }) => response.end('ok');
    for (const { response } of [...server.calls]) response.end('ok');
    expect(await Promise.all(three)).toHaveLength(3);
    expect(server.connections).toBe(2);
  });

  test('reads its password again each time', async () => {
    const passwords = ['old', 'new'];
    const restClient = client({ password: () => passwords.shift() ?? '' });
    await restClient.request(get(), NEVER);
    await restClient.request(get(), NEVER);
    const sent = server.calls.map(({ headers }) => headers.authorization?.slice(6) ?? '');
    expect(sent.map((text) => Buffer.from(text, 'base64').toString())).toEqual([
      'acme-ci:old',
      'acme-ci:new',
    ]);
  });

  test('accepts any status as an answer, and follows no redirect', async () => {
    const other = await WebServer.start();
    server.answer = ({ response }) => response.writeHead(302, { location: `${other.url}/login` }).end();
    expect(await client().request(get(), NEVER)).toMatchObject({
      status: 302,
      location: `${other.url}/login`,
    });
    expect(other.calls).toEqual([]);
    await other.close();
  });

  test('returns the server’s clock', async () => {
    server.answer = ({ response }) => {
      response.setHeader('date', 'Sun, 22 Nov 2026 20:07:53 GMT');
      response.end();
    };
    expect((await client().request(get(), NEVER)).date).toBe(Date.UTC(2026, 10, 22, 20, 7, 53));
  });
});

describe('a request without an answer', () => {
  test.each([
    ['GET', get(), false],
    ['POST', post(), true],
  ] as const)('cut off (%s): says whether it had been sent', async (_method, request, sent) => {
    server.answer = ({ cut }) => cut();
    const error = await failure(client().request(request, NEVER));
    expect(error).toBeInstanceOf(UnknownOutcomeError);
    expect(error).toMatchObject({ sent, retryable: true });
  });

  test('on a reused connection that the server had closed is repeated, but a post never is', async () => {
    const restClient = client();
    await restClient.request(get(), NEVER);
    let cutNext = true;
    server.answer = ({ cut, response }) => {
      if (cutNext) cut();
      else response.end('ok');
      cutNext = false;
    };
    expect((await restClient.request(get(), NEVER)).text).toBe('ok');
    expect(server.calls).toHaveLength(3);
    cutNext = true;
    expect(await failure(restClient.request(post(), NEVER))).toMatchObject({ sent: true });
    expect(server.calls).toHaveLength(4);
  });

  test('in time: it may have arrived', async () => {
    server.answer = () => {};
    const error = await failure(client({ requestTimeoutMs: 200 }).request(post(), NEVER));
    expect(error).toMatchObject({ sent: true, message: 'no answer within 200ms' });
  });

  test('with half an answer may have been sent', async () => {
    server.answer = ({ response, cut }) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => cut());
    };
    expect(await failure(client().request(post(), NEVER))).toMatchObject({ sent: true, retryable: true });
  });

  test('with an endless answer is not retryable', async () => {
    server.answer = ({ response }) => response.end('x'.repeat(2_000));
    const error = await failure(client({ answerLimitBytes: 1_000 }).request(get(), NEVER));
    expect(error).toMatchObject({
      retryable: false,
      hint: expect.stringContaining('sos-ci needs no answer of this size'),
    });
  });

  test('because nothing listens', async () => {
    const { url } = server;
    await server.close();
    const error = await failure(client({ url }).request(post(), NEVER));
    expect(error).toMatchObject({
      sent: false,
      retryable: true,
      hint: expect.stringContaining('check that Gerrit is running'),
    });
    server = await WebServer.start();
  });

  test('because the connection never opens: it was not sent', async () => {
    const silent = await new Promise<Server>((resolve) => {
      const created = createServer(() => {}).listen(0, '127.0.0.1', () => resolve(created));
    });
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const url = `https://127.0.0.1:${port}`;
    const error = await failure(client({ url, connectTimeoutMs: 200 }).request(post(), NEVER));
    expect(error).toMatchObject({ sent: false, retryable: true, message: 'no connection within 200ms' });
    silent.close();
  });

  test('because the password cannot be read', async () => {
    const wrong = new OperationError({
      operation: 'read password',
      target: 'f',
      message: 'f is not there',
      retryable: false,
      hint: 'x',
    });
    const restClient = client({
      password: () => {
        throw wrong;
      },
    });
    expect(await failure(restClient.request(get(), NEVER))).toBe(wrong);
    expect(server.calls).toEqual([]);
  });
});

describe('an abort', () => {
  test('stops before, in the queue, and during a request', async () => {
    const restClient = client({ connections: 1 });
    expect(await failure(restClient.request(get(), AbortSignal.abort()))).toMatchObject({ retryable: true });
    server.answer = () => {};
    const [running, queued] = [new AbortController(), new AbortController()];
    const runningRequest = restClient.request(post(), running.signal);
    await server.called(1);
    const queuedRequest = restClient.request(get(), queued.signal);
    queued.abort(new Error('enough'));
    expect(await failure(queuedRequest)).toMatchObject({ message: 'stopped' });
    running.abort();
    expect(await failure(runningRequest)).toMatchObject({ sent: true, message: 'stopped' });
    expect(server.calls).toHaveLength(1);
  });
});

describe('Retry-After', () => {
  test.each([
    [429, '1800'],
    [503, 'Fri, 31 Dec 2100 23:59:59 GMT'],
  ])('of a %i is respected, up to the limit', async (status, value) => {
    const clock = new HeldClock();
    const restClient = client({ retryAfterMaxMs: 600_000 }, clock);
    server.answer = ({ response }) => response.writeHead(status, { 'retry-after': value }).end('busy');
    expect((await restClient.request(get(), NEVER)).status).toBe(status);
    server.answer = ({ response }) => response.end('ok');
    const next = restClient.request(get(), NEVER);
    await clock.held();
    expect(server.calls).toHaveLength(1);
    clock.release();
    expect((await next).text).toBe('ok');
  });

  test('does not delay an abort', async () => {
    const restClient = client({}, new HeldClock());
    server.answer = ({ response }) => response.writeHead(429, { 'retry-after': '300' }).end();
    await restClient.request(get(), NEVER);
    const stop = new AbortController();
    const next = restClient.request(get(), stop.signal);
    stop.abort();
    expect(await failure(next)).toMatchObject({ message: 'stopped' });
  });
});

describe('certificates', () => {
  test.each([
    ['is its own authority', makeCertificate(), null, /caFile/],
    ['is not signed by the authority given', makeCertificate(), makeCertificate().cert, /did not sign/],
    ['is for another host', makeCertificate('gerrit.example.org'), 'its own', /another host/],
    ['has expired', makeCertificate('127.0.0.1', -1), 'its own', /expired/],
  ])('one that %s is refused, and nothing was sent', async (_what, certificate, ca, hint) => {
    const secure = await WebServer.start(certificate);
    const text = ca === 'its own' ? certificate.cert : ca;
    const caFile = text === null ? null : site.file('ca.pem', text);
    const error = await failure(client({ url: secure.url, caFile }).request(post(), NEVER));
    expect(error).toMatchObject({ sent: false, retryable: false, hint: expect.stringMatching(hint) });
    expect(secure.calls).toEqual([]);
    await secure.close();
  });

  test('one of the given CA is accepted, and its connection kept', async () => {
    const certificate = makeCertificate();
    const secure = await WebServer.start(certificate);
    const restClient = client({ url: secure.url, caFile: site.file('ca.pem', certificate.cert) });
    await restClient.request(get(), NEVER);
    expect((await restClient.request(post(), NEVER)).text).toBe('ok');
    expect(secure.connections).toBe(1);
    await secure.close();
  });

  test('of an unreadable CA', async () => {
    const error = await failure(client({ caFile: `${site.directory}/none` }).request(get(), NEVER));
    expect(error).toMatchObject({ operation: 'read certificates', hint: expect.stringContaining('caFile') });
  });
});
