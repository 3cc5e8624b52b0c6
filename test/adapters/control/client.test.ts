/** Requests to a daemon that does not run, sends nothing, sends garbage, or sends too much. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askDaemon } from '../../../src/adapters/control/client.ts';
import { ANSWER_LIMIT_BYTES, readAnswer } from '../../../src/adapters/control/messages.ts';

let directory: string;
let server: Server | null = null;
const sockets = new Set<Socket>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-control-'));
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)));
  server = null;
  rmSync(directory, { recursive: true, force: true });
});

/** Starts a server that handles each connection with `act`. */
function listening(act: (socket: Socket) => void): Promise<void> {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.resume();
    act(socket);
  });
  return new Promise((resolve) => server?.listen(join(directory, 'control.sock'), resolve));
}

const ask = (timeoutMs = 30_000, stateDir = directory) =>
  askDaemon({ do: 'ping' }, { stateDir, operator: { who: 'alice', why: '' }, timeoutMs });
const errorWith = (message: string, hint: RegExp) => ({
  name: 'OperationError',
  operation: 'ask daemon',
  message,
  hint: expect.stringMatching(hint),
});

test('no daemon: the error says so, and how to start one', async () => {
  const none = errorWith('no daemon is running for this state directory', /sos-ci daemon/);
  await expect(ask()).rejects.toMatchObject(none);
  await expect(ask(1_000, join(directory, 'nowhere'))).rejects.toMatchObject(none);
  await listening(() => {});
  await new Promise((resolve) => server?.close(resolve));
  await expect(ask()).rejects.toMatchObject(none);
});

test('a socket of another user: the error says so', async () => {
  await listening(() => {});
  chmodSync(join(directory, 'control.sock'), 0);
  const request = ask(200);
  // root may connect to any socket, and then times out.
  const message =
    process.getuid?.() === 0 ? 'the daemon gave no answer in time' : 'this socket belongs to another user';
  await expect(request).rejects.toMatchObject({ message });
});

test('a daemon that sends nothing: times out', async () => {
  await listening(() => {});
  await expect(ask(50)).rejects.toMatchObject(errorWith('the daemon gave no answer in time', /sos-ci jobs/));
});

test('accepts a timeout of a month', async () => {
  await listening((socket) => void socket.once('end', () => setImmediate(() => socket.destroy())));
  await expect(ask(31 * 86_400_000)).rejects.toMatchObject({
    message: 'the daemon exited before it answered',
  });
});

test('a daemon that closes the connection is reported', async () => {
  await listening((socket) => socket.destroy());
  await expect(ask()).rejects.toMatchObject(
    errorWith('the daemon exited before it answered', /sos-ci status/),
  );
});

test.each([
  ['hello\n'],
  ['{"ok":true}\n'],
  ['{"ok":true,"result":{"pid":"42","version":"1"}}\n'],
  ['{"ok":false}\n'],
])('an invalid answer is reported: %j', async (text) => {
  await listening((socket) => socket.end(text));
  await expect(ask()).rejects.toMatchObject(errorWith('the answer cannot be parsed', /same release/));
});

test('an endless answer is cut off', async () => {
  await listening((socket) => {
    const more = () => {
      while (socket.writable && socket.write('x'.repeat(65_536)));
    };
    socket.on('drain', more);
    more();
  });
  await expect(ask()).rejects.toMatchObject({
    message: `the daemon's answer is longer than ${ANSWER_LIMIT_BYTES} bytes`,
  });
  expect(ANSWER_LIMIT_BYTES).toBeGreaterThan(65_536);
});

test('ignores unknown fields in the answer of a newer daemon', () => {
  const line = '{"ok":true,"result":{"pid":1,"version":"2","more":[]},"also":1}';
  expect(readAnswer('ping', line)).toEqual({ result: { pid: 1, version: '2' } });
});
