import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { proxyFor } from '../../../../src/adapters/openstack/session/proxy.ts';
import { makeCertificate } from '../../../fakes/certificate.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { KeystoneFixture } from './keystone-fixture.ts';

/** A forward proxy: absolute URLs for HTTP, CONNECT for HTTPS. */
async function startProxy(status = 200) {
  const requests: string[] = [];
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    const { method, headers } = request;
    const onward = http.request(request.url ?? '', { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  server.on('connect', (request, socket) => {
    requests.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
      return;
    }
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket);
      socket.pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { requests, host: `127.0.0.1:${port}`, close: () => server.close() };
}

describe('a proxy', () => {
  test('gets the absolute URL of a plain request', async () => {
    const proxy = await startProxy();
    const fixture = await KeystoneFixture.start();
    fixture.environment = { http_proxy: `http://ann:s%40crt@${proxy.host}` };
    expect(await fixture.session.login(NEVER)).toMatchObject({ projectId: 'p1' });
    const login = Buffer.from('ann:s@crt').toString('base64');
    expect(proxy.requests).toEqual([`POST ${fixture.server.url}/identity/v3/auth/tokens Basic ${login}`]);
    await fixture.stop();
    proxy.close();
  });

  test('tunnels TLS, which is verified end to end', async () => {
    const proxy = await startProxy();
    const certificate = makeCertificate();
    const fixture = await KeystoneFixture.start(certificate);
    fixture.environment = { HTTPS_PROXY: proxy.host };
    await expect(fixture.session.login(NEVER)).rejects.toMatchObject({
      message: expect.stringContaining('certificate'),
    });
    const directory = mkdtempSync(join(tmpdir(), 'ca-'));
    writeFileSync(join(directory, 'ca.pem'), certificate.cert);
    fixture.fields.set('cacert', join(directory, 'ca.pem'));
    expect(await fixture.session.login(NEVER)).toMatchObject({ projectId: 'p1' });
    const target = fixture.server.url.replace('https://', '');
    expect(proxy.requests).toEqual([`CONNECT ${target}`, `CONNECT ${target}`]);
    await fixture.stop();
    rmSync(directory, { recursive: true });
    proxy.close();
  });

  test('that refuses is reported, and nothing was sent', async () => {
    const proxy = await startProxy(403);
    const fixture = await KeystoneFixture.start(makeCertificate());
    fixture.environment = { https_proxy: `http://${proxy.host}` };
    await expect(fixture.session.login(NEVER)).rejects.toMatchObject({
      kind: 'unreachable',
      mayHaveHappened: false,
      message: expect.stringMatching(/^the proxy 127.* refuses to connect .*: 403$/),
    });
    await fixture.stop();
    proxy.close();
  });

  test.each([
    ['http://h.lab:1/', {}, null],
    ['http://h.lab:1/', { http_proxy: 'p:2' }, 'http://p:2/'],
    ['https://h.lab/', { http_proxy: 'p:2' }, null],
    ['https://h.lab/', { ALL_PROXY: 'p:2' }, 'http://p:2/'],
    ['http://h.lab:1/', { http_proxy: 'p:2', no_proxy: '*' }, null],
    ['http://h.lab:1/', { http_proxy: 'p:2', NO_PROXY: 'x, .lab' }, null],
    ['http://h.lab:1/', { http_proxy: 'p:2', no_proxy: 'lab:1' }, null],
    ['http://h.lab:1/', { http_proxy: 'p:2', no_proxy: 'lab:9,ab' }, 'http://p:2/'],
    ['http://10.1.2.3/', { http_proxy: 'p:2', no_proxy: '10.1.0.0/16' }, null],
    ['http://10.2.2.3/', { http_proxy: 'p:2', no_proxy: '10.1.0.0/16,3' }, 'http://p:2/'],
    ['http://[fd00::1]/', { http_proxy: 'p:2', no_proxy: 'fd00::/8' }, null],
  ])('of %s with %j is %s', (url, environment, proxy) => {
    expect(proxyFor(new URL(url), environment)?.href ?? null).toBe(proxy);
  });

  test.each(['100%', '%zz', '%ff'])('with the password %s is refused', (password) => {
    const environment = { http_proxy: `http://ann:s3cret${password}@p` };
    const refused = () => proxyFor(new URL('http://h'), environment);
    expect(refused).toThrow(
      expect.objectContaining({
        name: 'OperationError',
        message: 'http_proxy has a % in its login that encodes nothing',
        hint: 'write % as %25',
      }),
    );
  });

  test('with another protocol is refused', () => {
    expect(() => proxyFor(new URL('http://h'), { http_proxy: 'socks5://p' })).toThrow(
      /http_proxy is not an http/,
    );
  });
});
