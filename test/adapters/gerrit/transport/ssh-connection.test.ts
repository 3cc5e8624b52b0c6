import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { runGerrit } from '../../../../src/adapters/gerrit/transport/ssh-command.ts';
import {
  connectToGerrit,
  type GerritOptions,
} from '../../../../src/adapters/gerrit/transport/ssh-connection.ts';
import { fingerprint } from '../../../../src/adapters/openssh/known-hosts.ts';
import { SshClient } from '../../../../src/adapters/ssh/client/client.ts';
import { reply, replyStatusLast, SshServer } from '../../../fakes/ssh-server.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { blobOf, hashed, keys, realClock, Site } from '../site.ts';

let site: Site;
let server: SshServer | null = null;
let opened: SshClient[] = [];
let plain: Server | null = null;

async function start(hostKeys: readonly string[] = [keys.ed25519.private]): Promise<SshServer> {
  site = new Site();
  server = await SshServer.start(hostKeys);
  server.answer('gerrit version', 'gerrit version 3.9.1\n');
  return server;
}

async function open(options: GerritOptions, signal = NEVER): Promise<SshClient> {
  const connection = await connectToGerrit(options, realClock, signal);
  opened.push(connection);
  return connection;
}

afterEach(async () => {
  for (const connection of opened) await connection.close();
  opened = [];
  await server?.close();
  server = null;
  await new Promise<void>((resolve) => (plain === null ? resolve() : plain.close(() => resolve())));
  plain = null;
  site.remove();
});

const run = (connection: SshClient, argv: readonly string[], more: object = {}, signal = NEVER) =>
  runGerrit(connection, { argv, stdin: null, timeoutMs: 20_000, maxStdoutBytes: 10_000, ...more }, signal);

describe('the host key', () => {
  test.each([
    ['plain', (port: number) => `[127.0.0.1]:${port} ${keys.ed25519.public}`],
    ['hashed', (port: number) => `${hashed(`[127.0.0.1]:${port}`)} ${keys.ed25519.public}`],
    [
      'one of two types',
      (port: number) => `[127.0.0.1]:${port} ${keys.rsa.public}\n[127.0.0.1]:${port} ${keys.ed25519.public}`,
    ],
  ])('is accepted by a %s entry', async (_what, lines) => {
    const { port } = await start();
    const connection = await open(site.options(port, { knownHostsFile: site.file('kh', lines(port)) }));
    expect(await run(connection, ['gerrit', 'version'])).toMatchObject({
      status: 0,
      stdout: 'gerrit version 3.9.1\n',
    });
  });

  test('is requested in the known type: an rsa line works with a server that prefers ed25519', async () => {
    const { port } = await start([keys.ed25519.private, keys.rsa.private]);
    const knownHostsFile = site.file('kh', `[127.0.0.1]:${port} ${keys.rsa.public}\n`);
    await expect(open(site.options(port, { knownHostsFile }))).resolves.toBeInstanceOf(SshClient);
  });

  test.each([
    ['unknown', (_port: number) => '', 'is not in'],
    ['changed', (port: number) => `[127.0.0.1]:${port} ${keys.otherEd25519.public}`, 'is not the one in'],
    [
      'known in another type only',
      (port: number) => `[127.0.0.1]:${port} ${keys.rsa.public}`,
      'is not the one in',
    ],
    [
      'revoked',
      (port: number) => `@revoked * ${keys.ed25519.public}\n[127.0.0.1]:${port} ${keys.ed25519.public}`,
      '@revoked',
    ],
  ])('%s: refused before any login, with its fingerprint', async (_what, lines, message) => {
    const ssh = await start();
    const options = site.options(ssh.port, { knownHostsFile: site.file('kh', lines(ssh.port)) });
    const refusal = await open(options).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ name: 'OperationError', operation: 'verify host key', retryable: false });
    expect((refusal as Error).message).toContain(message);
    expect((refusal as Error).message).toContain(fingerprint(blobOf(keys.ed25519.public)));
    expect((refusal as { hint: string }).hint).toContain(`ssh-keyscan -p ${ssh.port} 127.0.0.1 >>`);
    expect(ssh.logins).toBe(0);
    await ssh.until(() => ssh.open === 0);
  });
});

describe('connecting', () => {
  test('a key that the server rejects is a permanent error, after one login', async () => {
    const ssh = await start();
    ssh.acceptLogins = false;
    await expect(open(site.options(ssh.port))).rejects.toMatchObject({
      operation: 'authenticate',
      target: `acme-ci@127.0.0.1:${ssh.port}`,
      retryable: false,
      hint: expect.stringContaining('key.pub'),
    });
    expect(ssh.logins).toBe(1);
  });

  test('no listener: retryable', async () => {
    const ssh = await start();
    const options = site.options(ssh.port);
    await ssh.close();
    server = null;
    await expect(open(options)).rejects.toMatchObject({
      operation: 'connect',
      retryable: true,
      hint: expect.stringContaining('nothing listens'),
    });
  });

  test('a server that accepts and sends nothing times out, and its socket is closed', async () => {
    site = new Site();
    const sockets: Socket[] = [];
    const silentServer = createServer((socket) => sockets.push(socket));
    plain = silentServer;
    await new Promise<void>((resolve) => silentServer.listen(0, '127.0.0.1', () => resolve()));
    const { port } = silentServer.address() as AddressInfo;
    await expect(open(site.options(port, { connectTimeoutMs: 50 }))).rejects.toMatchObject({
      operation: 'connect',
      retryable: true,
      message: expect.stringContaining('within 50ms'),
    });
    const [socket] = sockets;
    if (socket !== undefined && !socket.closed)
      await new Promise((resolve) => socket.resume().once('close', resolve));
    expect(sockets).toHaveLength(1);
  });

  test('a server that does not speak SSH: retryable, no crash', async () => {
    site = new Site();
    const web = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    plain = web;
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', () => resolve()));
    const { port } = web.address() as AddressInfo;
    await expect(open(site.options(port))).rejects.toMatchObject({ name: 'OperationError' });
  });

  test('is aborted by its signal, before and during', async () => {
    const ssh = await start();
    await expect(open(site.options(ssh.port), AbortSignal.abort())).rejects.toMatchObject({
      retryable: true,
    });
    expect(ssh.connections).toBe(0);
    const abort = new AbortController();
    const opening = open(site.options(ssh.port), abort.signal);
    const refused = expect(opening).rejects.toMatchObject({ message: expect.stringContaining('stopped') });
    await ssh.until(() => ssh.connections === 1);
    abort.abort();
    await refused;
    await ssh.until(() => ssh.open === 0);
  });

  test('close also ends the connection for the server', async () => {
    const ssh = await start();
    const connection = await open(site.options(ssh.port));
    expect(ssh.open).toBe(1);
    const ends: unknown[] = [];
    connection.onClosed((error) => ends.push(error));
    await connection.close();
    await ssh.until(() => ssh.open === 0);
    expect(ends).toEqual([null]);
    await connection.close();
  });

  test('reports a lost connection', async () => {
    const ssh = await start();
    const connection = await open(site.options(ssh.port));
    const end = new Promise((resolve) => connection.onClosed(resolve));
    ssh.cutAll();
    expect(await end).toMatchObject({ operation: 'keep connection', retryable: true });
  });
});

describe('a command', () => {
  test('gets all of its standard input, and returns status, output and errors', async () => {
    const ssh = await start();
    ssh.on('gerrit review', async ({ channel, stdin }) =>
      reply(channel, (await stdin).toUpperCase(), 3, 'a complaint\n'),
    );
    const connection = await open(site.options(ssh.port));
    const stdin = 'naïve "quoted" '.repeat(200);
    const result = await run(connection, ['gerrit', 'review'], { stdin });
    expect(result).toEqual({ status: 3, stdout: stdin.toUpperCase(), stderr: 'a complaint' });
  });

  test('gets its exit status even if the server sends it after its end of file, as Gerrit does', async () => {
    const ssh = await start();
    ssh.on('gerrit review', async ({ channel, stdin }) => {
      await stdin;
      // When the client sends its second next command, it has read and answered the end of file.
      const nextCommands = ssh.until(() => ssh.commands.length === 3);
      await replyStatusLast(channel, 7, nextCommands);
    });
    const connection = await open(site.options(ssh.port));
    const review = run(connection, ['gerrit', 'review'], { stdin: '{}' });
    await run(connection, ['gerrit', 'version']);
    await run(connection, ['gerrit', 'version']);
    expect(await review).toMatchObject({ status: 7 });
  });

  test('several run on one connection', async () => {
    const ssh = await start();
    const connection = await open(site.options(ssh.port));
    const results = await Promise.all([1, 2, 3, 4].map(() => run(connection, ['gerrit', 'version'])));
    expect(results.map((result) => result.status)).toEqual([0, 0, 0, 0]);
    expect(ssh.connections).toBe(1);
  });

  test.each([
    ['no answer in time', () => {}, true],
    ['no exit status', (channel: { end(): void }) => channel.end(), true],
  ])('%s: cut off, and it may have arrived', async (_what, script, sent) => {
    const ssh = await start();
    ssh.on('gerrit review', ({ channel }) => script(channel));
    const connection = await open(site.options(ssh.port));
    const refusal = run(connection, ['gerrit', 'review'], { stdin: '{}', timeoutMs: 200 });
    await expect(refusal).rejects.toMatchObject({ name: 'OperationError', retryable: true, sent });
  });

  test('a connection that is cut now or earlier', async () => {
    const ssh = await start();
    ssh.on('gerrit review', ({ cut }) => cut());
    const connection = await open(site.options(ssh.port));
    const request = () => run(connection, ['gerrit', 'review'], { stdin: '{}' });
    await expect(request()).rejects.toMatchObject({ retryable: true, sent: true });
    await expect(request()).rejects.toMatchObject({ retryable: true, sent: false });
  });

  test('an endless answer is refused', async () => {
    const ssh = await start();
    ssh.on('gerrit query', ({ channel }) => channel.write('x'.repeat(100_000)));
    const connection = await open(site.options(ssh.port));
    await expect(run(connection, ['gerrit', 'query'])).rejects.toMatchObject({
      message: expect.stringContaining('longer than 10000 bytes'),
    });
  });

  test('an endless error text is truncated', async () => {
    const ssh = await start();
    ssh.on('gerrit query', ({ channel }) => reply(channel, '', 1, 'x'.repeat(100_000)));
    const connection = await open(site.options(ssh.port));
    const result = await run(connection, ['gerrit', 'query']);
    expect(result.stderr).toHaveLength(16 * 1024);
  });

  test('is aborted by its signal', async () => {
    const ssh = await start();
    ssh.on('gerrit query', () => {});
    const connection = await open(site.options(ssh.port));
    const abort = new AbortController();
    const refusal = expect(run(connection, ['gerrit', 'query'], {}, abort.signal)).rejects.toMatchObject({
      message: expect.stringContaining('stopped'),
    });
    await ssh.until(() => ssh.commands.length === 1);
    abort.abort();
    await refusal;
  });

  test('that is aborted before its channel opened sends nothing when it opens', async () => {
    const ssh = await start();
    let sent: Promise<string> | null = null;
    ssh.on('gerrit review', ({ stdin }) => {
      sent = stdin;
    });
    const connection = await open(site.options(ssh.port));
    const abort = new AbortController();
    ssh.hold();
    const review = run(connection, ['gerrit', 'review'], { stdin: '{"message":"late"}' }, abort.signal);
    abort.abort();
    await expect(review).rejects.toMatchObject({ retryable: true, sent: false });
    ssh.release();
    await ssh.until(() => sent !== null);
    expect(await sent).toBe('');
  });
});
