import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CloudError,
  type CloudRequest,
  type Service,
} from '../../../../src/adapters/openstack/session/session.ts';
import { AbortedError } from '../../../../src/errors.ts';
import { makeCertificate } from '../../../fakes/certificate.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { failure, json, KeystoneFixture, PASSWORD, service } from './keystone-fixture.ts';

let fixture: KeystoneFixture;
beforeEach(async () => {
  fixture = await KeystoneFixture.start();
});
afterEach(() => fixture.stop());

const GET: CloudRequest = { method: 'GET', path: 'servers/detail' };
const POST: CloudRequest = { method: 'POST', path: 'servers', body: { server: {} } };
const ask = (request = GET, of: Service = 'compute', signal = NEVER) =>
  fixture.session.request(of, request, signal);

describe('a login', () => {
  test('with a password requests the project, and returns its scope', async () => {
    fixture.fields.set('region_name', 'RegionOne');
    expect(await fixture.session.login(NEVER)).toEqual({
      ...{ projectId: 'p1', projectName: 'demo', domainName: 'Default' },
      ...{ userId: 'u1', userName: 'ci', region: 'RegionOne' },
      authUrl: expect.stringMatching(/^http:\/\/.*\/identity\/v3$/),
    });
    expect(JSON.parse(fixture.server.calls[0]?.body ?? '')).toEqual({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'ci', domain: { id: 'default' }, password: PASSWORD } },
        },
        scope: { project: { name: 'demo', domain: { id: 'default' } } },
      },
    });
  });

  test('is shared by concurrent callers, and one may abort', async () => {
    const stop = new AbortController();
    const [aborted, ...others] = [ask(GET, 'compute', stop.signal), ask(), ask()];
    stop.abort();
    expect(await failure(aborted ?? Promise.resolve())).toBeInstanceOf(AbortedError);
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([200, 200]);
    expect(fixture.issued).toBe(1);
  });

  test('is repeated before the token expires, with credentials read again', async () => {
    await ask();
    fixture.clock.ahead = 3_600_000 - 301_000;
    await ask();
    expect(fixture.issued).toBe(1);
    fixture.fields.set('username', 'renamed');
    fixture.clock.ahead = 3_600_000 - 299_000;
    await ask();
    expect(fixture.issued).toBe(2);
    expect(fixture.calls.map(({ headers }) => headers['x-auth-token'])).toEqual([
      'token-1',
      'token-1',
      'token-2',
    ]);
    expect(fixture.server.calls.at(-2)?.body).toContain('renamed');
  });

  test('is repeated once after a 401, even for a POST', async () => {
    fixture.answer = ({ headers, response }) =>
      headers['x-auth-token'] === 'token-1'
        ? response.writeHead(401).end()
        : json(response, 202, { server: { id: 's' } });
    expect(await ask(POST)).toMatchObject({ status: 202, body: { server: { id: 's' } } });
    expect(fixture.calls).toHaveLength(2);
    fixture.answer = ({ response }) => response.writeHead(401).end();
    expect(await failure(ask(POST))).toMatchObject({
      kind: 'unauthorized',
      status: 401,
      mayHaveHappened: false,
    });
    expect(fixture.calls).toHaveLength(4);
    expect(fixture.issued).toBe(3);
  });

  test('that is refused is reported with the credentials, and not repeated', async () => {
    fixture.logIn = ({ response }) =>
      json(response, 401, { error: { code: 401, message: `Not you, ${PASSWORD}.`, title: 'Unauthorized' } });
    expect(await failure(fixture.session.login(NEVER))).toMatchObject({
      kind: 'unauthorized',
      operation: 'log in',
      message: 'answers 401: Not you, ***.',
      hint: expect.stringContaining('clouds.lab'),
      retryable: false,
    });
    expect(fixture.server.calls).toHaveLength(1);
  });

  test('without a project is refused', async () => {
    fixture.project = undefined;
    expect(await failure(fixture.session.login(NEVER))).toMatchObject({
      message: 'the token is not scoped to a project',
      hint: expect.stringContaining('OS_PROJECT_NAME'),
    });
  });

  test('is repeated while Keystone is unavailable', async () => {
    const { logIn } = fixture;
    let times = 0;
    fixture.logIn = (call) => {
      times += 1;
      if (times === 1) call.response.writeHead(503).end('<html><h1>Service Unavailable</h1></html>');
      else if (times === 2) call.cut();
      else logIn(call);
    };
    expect(await fixture.session.login(NEVER)).toMatchObject({ projectId: 'p1' });
    expect(fixture.clock.waits).toEqual([500, 1_000]);
  });

  test('at a page of another server fails', async () => {
    fixture.logIn = ({ response }) => response.end('<html><title>Welcome</title></html>');
    expect(await failure(fixture.session.login(NEVER))).toMatchObject({
      kind: 'bad-response',
      message: 'answers 200 with a body that is not JSON: Welcome',
    });
  });
});

describe('the catalogue', () => {
  test.each([
    ['compute', 'servers', '/compute/v2.1/servers'],
    ['network', 'ports', '/network/v2.0/ports'],
    ['image', 'images', '/image/v2/images'],
    ['volume', 'volumes', '/volume/v3/p1/volumes'],
  ] as const)('contains the URL of %s', async (of, path, url) => {
    await ask({ method: 'GET', path }, of);
    expect(fixture.calls.map((call) => call.url)).toEqual([url]);
  });

  test.each([
    ['block-storage', '/volume/v3', '/volume/v3/volumes'],
    ['block-store', '/volume', '/volume/v3/p1/volumes'],
    ['volume', '/volume/v3/p1/', '/volume/v3/p1/volumes'],
  ])('finds Cinder as %s at %s', async (type, path, url) => {
    fixture.catalogue = [
      service('volume', `${fixture.server.url}/old/v1/p1`),
      service(type, fixture.server.url + path),
    ];
    await ask({ method: 'GET', path: 'volumes' }, 'volume');
    expect(fixture.calls.map((call) => call.url)).toEqual([url]);
  });

  test('is read by region and interface', async () => {
    const at = (region: string, kind: string) => ({
      interface: kind,
      region,
      url: `${fixture.server.url}/${region}-${kind}/v2.1`,
    });
    const endpoints = [at('one', 'public'), at('two', 'public'), at('two', 'internal')];
    fixture.catalogue = [{ type: 'compute', endpoints }];
    expect((await failure(ask())).message).toMatch(/names no region, and compute is in several: one, two/);
    fixture.fields.set('region_name', 'two').set('interface', 'internal');
    fixture.clock.ahead = 3_600_000;
    await ask();
    expect(fixture.calls.map(({ url }) => url)).toEqual(['/two-internal/v2.1/servers/detail']);
    fixture.fields.set('region_name', 'three');
    fixture.clock.ahead = 7_200_000;
    expect((await failure(ask())).message).toMatch(
      /wants the region three of compute; the catalogue has: two/,
    );
    fixture.fields.set('interface', 'admin');
    fixture.clock.ahead = 10_800_000;
    expect((await failure(ask())).message).toMatch(
      /interface admin of compute; the catalogue has: public, internal/,
    );
    expect((await failure(ask(GET, 'volume'))).message).toMatch(/without block-storage.*it has: compute/);
  });

  test('may contain malformed URLs of other regions and interfaces', async () => {
    const at = (region: string, kind: string, url: string) => ({ interface: kind, region, url });
    const endpoints = [
      at('one', 'public', `${fixture.server.url}/v3`),
      at('one', 'internal', 'http://fd00::5:8776/v3'),
      at('two', 'public', 'http://fd00::6:8776/v1'),
    ];
    fixture.catalogue = ['compute', 'volume'].map((type) => ({ type, endpoints }));
    fixture.fields.set('region_name', 'one');
    await ask();
    await ask(GET, 'volume');
    expect(fixture.calls.map(({ url }) => url)).toEqual(['/v3/servers/detail', '/v3/servers/detail']);
    fixture.fields.set('region_name', 'two');
    fixture.clock.ahead = 3_600_000;
    const message = /leads to a catalogue whose compute is at http:\/\/fd00::6:8776\/v1/;
    expect((await failure(ask())).message).toMatch(message);
  });
});

describe('a microversion', () => {
  const versioned = { ...GET, microversion: '2.52' };

  test('is checked once and sent', async () => {
    await ask(versioned);
    await ask(versioned);
    expect(fixture.server.calls.map(({ url }) => url)).toEqual([
      '/identity/v3/auth/tokens',
      '/compute/v2.1/',
      '/compute/v2.1/servers/detail',
      '/compute/v2.1/servers/detail',
    ]);
    expect(fixture.calls[0]?.headers['openstack-api-version']).toBe('compute 2.52');
  });

  test('may be in a document of several versions, with status 300', async () => {
    const versions = [
      { id: 'v2.0', version: '' },
      { id: 'v2.1', version: '2.60', min_version: '2.1' },
    ];
    fixture.versions = ({ response }) => json(response, 300, { versions });
    expect((await ask(versioned)).status).toBe(200);
  });

  test.each([
    ['2.9', '2.1 to 2.9'],
    ['', 'no microversions'],
  ])('that is newer than "%s" is refused before anything is sent', async (version, has) => {
    fixture.versions = ({ response }) =>
      json(response, 200, { version: { id: 'v2.1', version, min_version: '2.1' } });
    expect(await failure(ask({ ...POST, microversion: '2.52' }))).toMatchObject({
      kind: 'bad-request',
      message: `the cloud offers ${has}, and sos-ci needs 2.52`,
    });
    expect(fixture.calls).toEqual([]);
  });
});

describe('an answer', () => {
  test('is returned as status, headers and JSON, or null', async () => {
    fixture.answer = ({ response }) => {
      response.setHeader('location', 'http://x/servers/1');
      json(response, 202, { a: 1 });
    };
    const { status, headers, body } = await ask({ ...POST, query: { tags: 'a', device_id: ['b', 'c&d'] } });
    expect([status, headers.get('location'), body]).toEqual([202, 'http://x/servers/1', { a: 1 }]);
    expect(fixture.calls[0]).toMatchObject({
      body: '{"server":{}}',
      url: expect.stringMatching(/\?tags=a&device_id=b&device_id=c%26d$/),
    });
    fixture.answer = ({ response }) => response.writeHead(204).end();
    expect((await ask({ method: 'DELETE', path: 'servers/1' })).body).toBeNull();
  });

  test('that is endless and contains control characters is cleaned and truncated', async () => {
    fixture.answer = ({ response }) =>
      json(response, 400, { badRequest: { message: `\u001b[2J${'x'.repeat(5_000)}` } });
    const { message } = await failure(ask(POST));
    expect(message).toMatch(/^answers 400: \\x1b\[2Jx+\.\.\.$/);
    expect(message.length).toBeLessThan(310);
  });

  test('in HTML is reported as its text', async () => {
    fixture.answer = ({ response }) =>
      response
        .writeHead(404, { 'content-type': 'text/html' })
        .end('<html><h1>404 Not Found</h1><br />No image.</html>');
    expect((await failure(ask(GET, 'image'))).message).toBe('answers 404: 404 Not Found No image.');
  });

  test('that redirects is not followed', async () => {
    fixture.answer = ({ response }) => response.writeHead(301, { location: 'http://127.0.0.1:1/' }).end();
    expect(await failure(ask())).toMatchObject({
      kind: 'bad-response',
      retryable: false,
      message: 'answers 301 to http://127.0.0.1:1/',
    });
    expect(fixture.calls).toHaveLength(1);
  });

  test('that is incomplete or cut may belong to a call that took effect; an overlong one is final', async () => {
    fixture.answer = ({ response }) => response.end('{"server": {"id"');
    expect(await failure(ask(POST))).toMatchObject({
      kind: 'bad-response',
      status: 200,
      mayHaveHappened: true,
    });
    fixture.answer = ({ response, cut }) => {
      response.writeHead(202, { 'content-length': 100 });
      response.write('half', () => cut());
    };
    expect(await failure(ask(POST))).toMatchObject({
      kind: 'bad-response',
      status: null,
      mayHaveHappened: true,
    });
    fixture.answer = ({ cut }) => cut();
    expect(await failure(ask(POST))).toMatchObject({
      kind: 'unreachable',
      status: null,
      mayHaveHappened: true,
    });
    fixture.answer = ({ response }) => response.end('x'.repeat(17 * 1024 * 1024));
    expect(await failure(ask())).toMatchObject({
      kind: 'bad-response',
      retryable: false,
      mayHaveHappened: false,
    });
    expect(fixture.calls).toHaveLength(4);
  });
});

describe('a GET', () => {
  test('is repeated a bounded number of times, with growing waits', async () => {
    fixture.answer = ({ response }) => response.writeHead(503).end();
    expect(await failure(ask())).toMatchObject({ kind: 'unavailable', mayHaveHappened: false });
    expect(fixture.clock.waits).toEqual([500, 1_000, 2_000, 4_000]);
    expect(fixture.calls).toHaveLength(5);
  });

  test('finds a moved endpoint with its next call', async () => {
    await ask();
    fixture.catalogue = [service('compute', `${fixture.server.url}/moved/v2.1`)];
    fixture.answer = ({ url, response, cut }) =>
      url.startsWith('/moved') ? json(response, 200, { servers: [] }) : cut();
    fixture.versions = ({ response }) => json(response, 200, { version: {} });
    expect(await failure(ask())).toMatchObject({ kind: 'unreachable' });
    expect((await ask()).body).toEqual({ servers: [] });
    expect(fixture.issued).toBe(2);
  });

  test('respects Retry-After', async () => {
    fixture.answer = ({ response }) => {
      if (fixture.calls.length > 1) return json(response, 200, { servers: [] });
      response.writeHead(429, { 'retry-after': '7' }).end();
    };
    expect((await ask()).body).toEqual({ servers: [] });
    expect(fixture.clock.waits).toEqual([7_000]);
  });

  test.each([400, 403, 404, 409])('that answers %i is not repeated', async (status) => {
    fixture.answer = ({ response }) => response.writeHead(status).end();
    expect(await failure(ask())).toBeInstanceOf(CloudError);
    expect(fixture.calls).toHaveLength(1);
  });

  test('is aborted by its signal', async () => {
    await fixture.session.login(NEVER);
    fixture.answer = () => {};
    const stop = new AbortController();
    const pending = ask(GET, 'compute', stop.signal);
    await fixture.server.called(2);
    stop.abort();
    expect(await failure(pending)).toBeInstanceOf(AbortedError);
    expect(await failure(ask(GET, 'compute', AbortSignal.abort()))).toBeInstanceOf(AbortedError);
    expect(fixture.calls).toHaveLength(1);
  });
});

describe('TLS', () => {
  test('accepts the configured CA, and refuses another', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ca-'));
    const certificate = makeCertificate();
    const secure = await KeystoneFixture.start(certificate);
    expect(await failure(secure.session.login(NEVER))).toMatchObject({
      kind: 'unreachable',
      retryable: false,
      hint: 'for a cloud with its own CA, add cacert: FILE to clouds.lab',
    });
    secure.fields.set('cacert', join(directory, 'ca.pem'));
    expect(await failure(secure.session.login(NEVER))).toMatchObject({
      hint: expect.stringContaining('clouds.lab.cacert'),
    });
    writeFileSync(join(directory, 'ca.pem'), certificate.cert);
    expect(await secure.session.login(NEVER)).toMatchObject({ projectId: 'p1' });
    expect(await secure.session.request('compute', POST, NEVER)).toMatchObject({ status: 200 });
    await secure.stop();
    rmSync(directory, { recursive: true });
  });
});
