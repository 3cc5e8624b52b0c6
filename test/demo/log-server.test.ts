/** The demo's log server, with requests from a browser and from an attacker who wants other files. */
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, truncate } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LogServer, startLogServer } from '../../src/demo/log-server.ts';
import { makePipe, writeAt } from '../adapters/logs/rig.ts';
import { failureOf } from '../contracts/evidence.ts';

describe('the log server', () => {
  let base: string;
  let server: LogServer;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'sos-ci-site-'));
    await writeAt(join(base, 'secret'), 'CANARY');
    await writeAt(join(base, 'site', 'job', 'index.html'), '<p>page</p>');
    await writeAt(join(base, 'site', 'job', 'a b.log'), 'text');
    await writeAt(join(base, 'site', 'job', 'results.html.gz'), gzipSync('<p>packed</p>'));
    await writeAt(join(base, 'site', 'job', 'all.tar.gz'), gzipSync('tar'));
    await writeAt(join(base, 'site', 'job', 'console'), 'no ending');
    await writeAt(join(base, 'site', 'job', 'x.bin'), 'bytes');
    await writeAt(join(base, 'site', '.sos-ci-x.1', 'index.html'), 'unfinished');
    await writeAt(join(base, 'site', 'empty', 'sub', 'x'), 'x');
    server = await startLogServer({ dir: join(base, 'site'), port: 0 });
  });
  afterEach(async () => {
    await server.close();
    await rm(base, { recursive: true });
  });

  /** Sends paths unchanged, which fetch would normalize. */
  async function get(path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> {
    const sent = request(server.url, { path, method, headers, agent: false });
    sent.end();
    const [response] = await once(sent, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
  }

  test('listens on loopback only', () => {
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  test('serves a page, and a log as text, with headers that guard against their content', async () => {
    const page = await get('/job/');
    expect([page.status, page.body]).toEqual([200, '<p>page</p>']);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    const log = await get('/job/a%20b.log?x=y');
    expect([log.status, log.body]).toEqual([200, 'text']);
    expect(log.headers['content-type']).toBe('text/plain; charset=utf-8');
    for (const { headers } of [page, log, await get('/nothing')]) {
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toMatch(/^sandbox/);
      expect(headers['content-security-policy']).not.toContain('allow-scripts');
    }
  });

  test('serves unknown types as bytes, and names without an extension as text', async () => {
    expect((await get('/job/x.bin')).headers['content-type']).toBe('application/octet-stream');
    expect((await get('/job/console')).headers['content-type']).toBe('text/plain; charset=utf-8');
  });

  test('serves compressed pages with gzip encoding to clients that accept it, and archives as files', async () => {
    const shown = await get('/job/results.html.gz', 'GET', { 'accept-encoding': 'gzip, br' });
    expect(shown.headers).toMatchObject({
      'content-encoding': 'gzip',
      'content-type': 'text/html; charset=utf-8',
    });
    const raw = await get('/job/results.html.gz');
    expect(raw.headers['content-type']).toBe('application/gzip');
    expect(raw.headers['content-encoding']).toBeUndefined();
    const archive = await get('/job/all.tar.gz', 'GET', { 'accept-encoding': 'gzip' });
    expect(archive.headers['content-encoding']).toBeUndefined();
  });

  test('supports only GET and HEAD, and sends no body for HEAD', async () => {
    const head = await get('/job/a%20b.log', 'HEAD');
    expect([head.status, head.body, head.headers['content-length']]).toEqual([200, '', '4']);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await get('/job/', method);
      expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
    }
  });

  test('redirects only to the directory with its slash', async () => {
    const answer = await get('/job');
    expect([answer.status, answer.headers.location]).toEqual([301, '/job/']);
    expect((await get('//example.org/job')).status).toBe(404);
  });

  test.each([
    '/',
    '/empty/',
    '/empty/sub/',
    '/job/a%20b.log/',
    '/job/a%20b.log/x',
    '/../secret',
    '/job/../../secret',
    '/%2e%2e/secret',
    '/job/..%2f..%2fsecret',
    '/job%2findex.html',
    '/.sos-ci-x.1/',
    '/.sos-ci-x.1/index.html',
    '/job//index.html',
    '/job/./index.html',
    '/%00',
    '/%ff',
    '/job/%zz',
    `/${'a/'.repeat(1000)}`,
    `/${'a'.repeat(5000)}`,
    'http://example.org/job/',
    '*',
  ])('serves nothing at %s', async (path) => {
    const answer = await get(path);
    expect(answer.status).toBe(404);
    expect(answer.body).not.toContain('CANARY');
  });

  test('follows no link, opens no pipe', async () => {
    await symlink(join(base, 'secret'), join(base, 'site', 'job', 'link.txt'));
    await symlink(base, join(base, 'site', 'out'));
    makePipe(join(base, 'site', 'job', 'pipe'));
    for (const path of ['/job/link.txt', '/out/secret', '/out/', '/out', '/job/pipe']) {
      expect((await get(path)).status).toBe(404);
    }
  });

  test('closes at once, also during a download', async () => {
    await writeAt(join(base, 'site', 'big'), '');
    await truncate(join(base, 'site', 'big'), 10_000_000_000);
    const { port } = new URL(server.url);
    const client = connect(Number(port), '127.0.0.1');
    client.on('error', () => undefined);
    client.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(client, 'data');
    client.pause();
    const idle = connect(Number(port), '127.0.0.1');
    idle.on('error', () => undefined);
    await once(idle, 'connect');
    const closed = Promise.all([once(client, 'close'), once(idle, 'close')]);
    client.resume();
    idle.resume();
    await server.close();
    await server.close();
    await closed;
  });

  test('keeps no file open after its responses', async () => {
    const { readdir } = await import('node:fs/promises');
    await get('/job/');
    const before = (await readdir('/proc/self/fd')).length;
    for (let round = 0; round < 20; round++) await get(round % 2 === 0 ? '/job/' : '/empty/');
    expect((await readdir('/proc/self/fd')).length).toBeLessThan(before + 10);
  });

  test('reports why it cannot start', async () => {
    await mkdir(join(base, 'two'));
    const port = Number(new URL(server.url).port);
    expect((await failureOf(startLogServer({ dir: join(base, 'two'), port }))).target).toContain(
      String(port),
    );
    await failureOf(startLogServer({ dir: join(base, 'missing'), port: 0 }));
  });
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | undefined>;
  readonly body: string;
}
