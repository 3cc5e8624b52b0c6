/** The control socket over a real socket: one request, one response, for this user only; and hostile clients. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askDaemon } from '../../../src/adapters/control/client.ts';
import { REQUEST_LIMIT_BYTES } from '../../../src/adapters/control/messages.ts';
import { ControlServer } from '../../../src/adapters/control/server.ts';
import { type OperatorRequest, Refused } from '../../../src/engine/ports/operator-api.ts';
import { OperationError } from '../../../src/errors.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { FakeOperators } from '../../fakes/operators.ts';
import { runs } from '../../fixtures/effort.ts';

const TIMEOUT_MS = 10_000;
const CLIENTS = 4;
const PING: OperatorRequest = { do: 'ping' };
const PONG = { pid: 42, version: '1.2.3' };
const operator = { who: 'alice', why: 'to see' };

let directory: string;
let operators: FakeOperators;
let clock: FakeClock;
let server: ControlServer;
const clients: Socket[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-control-'));
  operators = new FakeOperators();
  clock = new FakeClock();
  server = serverIn(directory);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function serverIn(stateDir: string): ControlServer {
  return new ControlServer({ stateDir, operators, clock, timeoutMs: TIMEOUT_MS, clientLimit: CLIENTS });
}

const ask = <R extends OperatorRequest>(request: R, stateDir = directory) =>
  askDaemon(request, { stateDir, operator, timeoutMs: 30_000 });

/** A client that connects, and is disconnected after the test. */
function client(stateDir = directory): Socket {
  const socket = connect(join(stateDir, 'control.sock'));
  socket.on('error', () => {});
  clients.push(socket);
  return socket;
}

/** All output of the server until it closes. */
function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  return new Promise((resolve) => {
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
  });
}

const connected = (socket: Socket) => new Promise((resolve) => socket.once('connect', resolve));
const requestLine = (request: object = PING) => `${JSON.stringify({ format: 1, ...operator, request })}\n`;

describe('a request', () => {
  beforeEach(() => server.start());

  test('is performed with the operator and the reason, and answered', async () => {
    expect(await ask(PING)).toEqual({ result: PONG });
    expect(operators.requests).toEqual([{ request: PING, operator }]);
  });

  test('arrives in pieces, in one piece, or from a client that half-closes at once', async () => {
    const pieces = client();
    const answers = [received(pieces)];
    const text = requestLine();
    await connected(pieces);
    pieces.write(text.slice(0, 10));
    await new Promise((resolve) => setImmediate(resolve));
    pieces.write(text.slice(10));
    const closing = client();
    answers.push(received(closing));
    closing.end(text);
    for (const answer of await Promise.all(answers))
      expect(JSON.parse(answer)).toEqual({ ok: true, result: PONG });
  });

  test('a client that half-closes without a request is not waited for', async () => {
    const incomplete = client();
    const answer = received(incomplete);
    incomplete.end('{"format":1');
    expect(await answer).toBe('');
  });

  test('is answered while others are pending', async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    operators.answer = async (request) => {
      if (request.do === 'reload') await gate;
      return request.do === 'reload' ? { changed: [], restart: [], problems: [] } : PONG;
    };
    const slow = ask({ do: 'reload' });
    await operators.count(1);
    expect(await ask(PING)).toEqual({ result: PONG });
    open();
    expect(await slow).toEqual({ result: { changed: [], restart: [], problems: [] } });
  });

  test('can be refused, with a hint', async () => {
    operators.answer = () => {
      throw new Refused('unknown', 'there is no job x', 'sos-ci jobs');
    };
    expect(await ask(PING)).toEqual({
      refusal: { kind: 'unknown', message: 'there is no job x', hint: 'sos-ci jobs' },
    });
    operators.answer = () => {
      const failed = { operation: 'query Gerrit', target: 'review', message: 'away', hint: 'wait' };
      throw new OperationError({ ...failed, retryable: true });
    };
    expect(await ask(PING)).toEqual({
      refusal: { kind: 'refused', message: 'query Gerrit: away', hint: 'wait' },
    });
  });

  test("shows the operator's name as plain text", async () => {
    const socket = client();
    const answer = received(socket);
    socket.end(`${JSON.stringify({ format: 1, who: 'al\u001b[2Jice', why: 'a\nb', request: PING })}\n`);
    await answer;
    expect(operators.requests[0]?.operator).toEqual({ who: 'al\\x1b[2Jice', why: 'a\\nb' });
  });
});

describe('hostile clients', () => {
  beforeEach(() => server.start());

  test.each([
    ['no JSON', 'hello\n'],
    ['nothing', '\n'],
    ['another format', `${JSON.stringify({ format: 2, ...operator, request: PING })}\n`],
    ['an unknown request', requestLine({ do: 'rm' })],
    ['an unknown field', requestLine({ do: 'ping', also: 1 })],
    ['a negative change number', requestLine({ do: 'recheck', change: -1 })],
    ['a fractional change number', requestLine({ do: 'recheck', change: 1.5 })],
    ['nothing to promote', requestLine({ do: 'promote', targets: [] })],
    ['a job without a name', requestLine({ do: 'enqueue', jobs: [''], change: 1, patchset: null })],
    ['no operator', `${JSON.stringify({ format: 1, who: '', why: '', request: PING })}\n`],
  ])('that send %s get an error', async (_, text) => {
    const socket = client();
    const answer = received(socket);
    socket.end(text);
    expect(JSON.parse(await answer)).toMatchObject({ ok: false, refusal: { kind: 'misunderstood' } });
    expect(operators.requests).toEqual([]);
  });

  test('that send too much are cut off, and get an error if they read', async () => {
    const [much, endless] = [client(), client()];
    const [answer, end] = [received(much), received(endless)];
    much.write('x'.repeat(REQUEST_LIMIT_BYTES + 1));
    await connected(endless);
    const flood = setInterval(() => endless.write('x'.repeat(REQUEST_LIMIT_BYTES)), 1);
    expect(JSON.parse(await answer)).toMatchObject({ refusal: { message: 'the request is too long' } });
    await end;
    clearInterval(flood);
    expect(await ask(PING)).toEqual({ result: PONG });
  });

  test('that send nothing, or never finish, are dropped after a timeout', async () => {
    const [silent, endless] = [client(), client()];
    const ends = [received(silent), received(endless)];
    await Promise.all([connected(silent), connected(endless)]);
    endless.write('{"format"');
    // The server knows both once it has answered a later one.
    expect(await ask(PING)).toEqual({ result: PONG });
    await clock.advance(TIMEOUT_MS - 1);
    expect([silent.destroyed, endless.destroyed]).toEqual([false, false]);
    await clock.advance(1);
    expect(await Promise.all(ends)).toEqual(['', '']);
  });

  test('beyond the limit do not lock others out: the one that has been silent longest is dropped', async () => {
    const many = Array.from({ length: CLIENTS }, () => client());
    const ends = many.map(received);
    await Promise.all(many.map(connected));
    for (let again = 0; again < CLIENTS; again += 1) expect(await ask(PING)).toEqual({ result: PONG });
    expect(await ends[0]).toBe('');
    many[1]?.end(requestLine());
    expect(JSON.parse((await ends[1]) ?? '')).toMatchObject({ ok: true });
  });

  test('that disconnect before the answer do no harm', async () => {
    let open = () => {};
    operators.answer = () =>
      new Promise((resolve) => {
        open = () => resolve(PONG);
      });
    const socket = client();
    await connected(socket);
    socket.write(requestLine());
    await operators.count(1);
    socket.destroy();
    open();
    operators.answer = () => PONG;
    expect(await ask(PING)).toEqual({ result: PONG });
  });

  test('that send arbitrary bytes never crash the server', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.object().map((o) => requestLine(o)),
        ),
        async (text) => {
          const socket = client();
          const answer = received(socket);
          socket.end(`${text}\n`);
          const response = await answer;
          expect(() => JSON.parse(response)).not.toThrow();
        },
      ),
      { numRuns: runs(200) },
    );
    expect(operators.requests).toEqual([]);
    expect(await ask(PING)).toEqual({ result: PONG });
  });
});

describe('the socket', () => {
  test('is for this user only, and is removed with the daemon', async () => {
    await server.start();
    const path = join(directory, 'control.sock');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await server.stop();
    await server.stop();
    expect(existsSync(path)).toBe(false);
  });

  test('of a killed daemon is taken over', async () => {
    await server.start();
    const path = join(directory, 'control.sock');
    // A hard link keeps what a killed daemon leaves: a socket without a listener.
    linkSync(path, `${path}.kept`);
    await server.stop();
    renameSync(`${path}.kept`, path);
    await expect(ask(PING)).rejects.toMatchObject({
      message: 'no daemon is running for this state directory',
    });
    const next = serverIn(directory);
    await next.start();
    expect(await ask(PING)).toEqual({ result: PONG });
    await next.stop();
  });

  test('is not created over another file', async () => {
    writeFileSync(join(directory, 'control.sock'), 'mine');
    await expect(server.start()).rejects.toMatchObject({
      name: 'OperationError',
      operation: 'open control socket',
      message: expect.stringContaining('EADDRINUSE'),
    });
    expect(statSync(join(directory, 'control.sock')).isFile()).toBe(true);
  });

  test('works below a path of any length', async () => {
    const deep = join(directory, 'd'.repeat(100), 'e'.repeat(100));
    mkdirSync(deep, { recursive: true });
    const deepServer = serverIn(deep);
    await deepServer.start();
    expect(await ask(PING, deep)).toEqual({ result: PONG });
    expect(statSync(join(deep, 'control.sock')).mode & 0o777).toBe(0o600);
    await deepServer.stop();
    expect(existsSync(join(deep, 'control.sock'))).toBe(false);
  });

  test('answers no client that a stop has disconnected', async () => {
    await server.start();
    operators.answer = () => new Promise(() => {});
    const pending = ask(PING);
    await operators.count(1);
    await server.stop();
    await expect(pending).rejects.toMatchObject({ message: 'the daemon exited before it answered' });
  });
});
