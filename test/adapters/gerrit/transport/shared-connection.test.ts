/** One connection for all queries, against a scripted server that counts them. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ClientChannel } from 'ssh2';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SharedConnection } from '../../../../src/adapters/gerrit/transport/shared-connection.ts';
import { runGerrit } from '../../../../src/adapters/gerrit/transport/ssh-command.ts';
import { connectToGerrit } from '../../../../src/adapters/gerrit/transport/ssh-connection.ts';
import type { SshClient } from '../../../../src/adapters/ssh/client/client.ts';
import { type SshCommand, SshServer } from '../../../fakes/ssh-server.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { HeldClock, keys, realClock, Site } from '../site.ts';

const signal = NEVER;
let site: Site;
let server: SshServer;
let clock: HeldClock;
let shared: SharedConnection;

beforeEach(async () => {
  site = new Site();
  server = await SshServer.start([keys.ed25519.private]);
  server.answer('gerrit version', 'gerrit version 3.9.1\n');
  clock = new HeldClock();
  shared = new SharedConnection(site.options(server.port), clock);
});
afterEach(async () => {
  await shared.close();
  await server.close();
  site.remove();
});

function ask(name = 'version', until = signal): Promise<string> {
  return shared.run(until, async (connection) => {
    const argv = ['gerrit', name];
    const command = { argv, stdin: null, timeoutMs: 20_000, maxStdoutBytes: 1_000 };
    return (await runGerrit(connection, command, until)).stdout.trim();
  });
}

/** Commands with this name are answered when the test says so. */
function held(name: string): { readonly answer: () => void; readonly waiting: () => number } {
  const waiting: SshCommand[] = [];
  server.on(`gerrit ${name}`, (command) => waiting.push(command));
  const answer = (): void => {
    for (const { channel } of waiting.splice(0)) {
      channel.write('done\n');
      channel.exit(0);
      channel.end();
    }
  };
  return { answer, waiting: () => waiting.length };
}

test('successive queries use one connection', async () => {
  for (let question = 0; question < 3; question += 1) expect(await ask()).toBe('gerrit version 3.9.1');
  expect(server.connections).toBe(1);
});

test('concurrent queries use one connection, up to the limit', async () => {
  const { answer, waiting } = held('slow');
  const answers = [ask('slow'), ask('slow'), ask('slow')];
  await server.until(() => waiting() === 2);
  answer();
  await server.until(() => waiting() === 1);
  expect(server.commands).toHaveLength(3);
  answer();
  expect(await Promise.all(answers)).toEqual(['done', 'done', 'done']);
  expect(server.connections).toBe(1);
});

test('is closed when idle, and opened again', async () => {
  await ask();
  await clock.held();
  expect(server.open).toBe(1);
  clock.release();
  await server.until(() => server.open === 0);
  expect(await ask()).toBe('gerrit version 3.9.1');
  expect(server.connections).toBe(2);
  expect(server.maxOpen).toBe(1);
});

test('a reused connection that died is replaced transparently', async () => {
  await ask();
  server.on('gerrit version', ({ cut }) => {
    server.answer('gerrit version', 'gerrit version 3.12.0\n');
    cut();
  });
  expect(await ask()).toBe('gerrit version 3.12.0');
  expect(server.connections).toBe(2);
});

test('a connection that dies during its first query fails that query', async () => {
  server.on('gerrit version', ({ cut }) => cut());
  await expect(ask()).rejects.toMatchObject({ name: 'OperationError', retryable: true });
  expect(server.connections).toBe(1);
  server.answer('gerrit version', 'back\n');
  expect(await ask()).toBe('back');
});

test('a refused login is reported once to each caller, and can be fixed', async () => {
  server.acceptLogins = false;
  const refusals = await Promise.allSettled([ask(), ask()]);
  for (const refusal of refusals) {
    expect(refusal).toMatchObject({ reason: { operation: 'authenticate', retryable: true } });
  }
  expect(server.connections).toBe(1);
  server.acceptLogins = true;
  expect(await ask()).toBe('gerrit version 3.9.1');
});

test('a caller that aborts before its query or in the queue leaves; the others continue', async () => {
  const { answer, waiting } = held('slow');
  const others = [ask('slow'), ask('slow')];
  await server.until(() => waiting() === 2);
  const inLine = new AbortController();
  const leaving = ask('version', inLine.signal);
  inLine.abort();
  await expect(leaving).rejects.toMatchObject({ name: 'OperationError', retryable: true });
  answer();
  expect(await Promise.all(others)).toEqual(['done', 'done']);
  await expect(ask('version', AbortSignal.abort())).rejects.toMatchObject({ operation: 'connect' });
});

test('accepts no queries after close', async () => {
  await ask();
  await shared.close();
  await server.until(() => server.open === 0);
  await expect(ask()).rejects.toMatchObject({ operation: 'connect', retryable: true });
  expect(server.connections).toBe(1);
});

test('callbacks run in the async context of the caller, not of the one that opened the connection', async () => {
  const work = new AsyncLocalStorage<string>();
  const calls: unknown[] = [];
  const record = (name: string) => (): void => void calls.push([name, work.getStore()]);
  const asking = (name: string) =>
    work.run(name, () =>
      shared.run(signal, async (connection) => {
        connection.onClosed(record(`${name}: gone`));
        await new Promise<void>((resolve, reject) => {
          const attach = (channel: ClientChannel): void => {
            record('attach')();
            channel.on('data', record('data'));
            channel.on('exit', record('exit'));
            channel.on('close', record('close'));
            channel.on('close', resolve);
          };
          connection.exec('gerrit version', attach, { timeoutMs: 10_000, signal }).catch(reject);
        });
      }),
    );
  await asking('A');
  await asking('B');
  server.cutAll();
  await work.run('C', () => ask());
  const callbacks = ['attach', 'close', 'data', 'exit'];
  expect(calls.slice(0, 4).sort()).toEqual(callbacks.map((name) => [name, 'A']));
  expect(calls.slice(4, 8).sort()).toEqual(callbacks.map((name) => [name, 'B']));
  expect(calls.slice(8)).toEqual(['A: gone', 'B: gone'].map((name) => [name, undefined]));
});

test('queries use the stream’s connection while it is open, and their own can be closed', async () => {
  const options = site.options(server.port);
  let lent: SshClient | null = null;
  const borrowing = new SharedConnection(options, clock, () => lent);
  const query = () => borrowing.run(signal, async (connection) => connection.target);
  try {
    await query();
    expect([server.connections, borrowing.isOpen]).toEqual([1, true]);
    lent = await connectToGerrit(options, realClock, signal);
    const used = await borrowing.run(signal, async (connection) => connection);
    expect(used).toBe(lent);
    expect(await borrowing.freeConnection()).toBe(true);
    expect([server.connections, borrowing.isOpen]).toEqual([2, false]);
    expect(await borrowing.freeConnection()).toBe(false);
  } finally {
    await (lent as SshClient | null)?.close();
    await borrowing.close();
  }
});

test('a query whose stream connection is lost is repeated once on its own connection', async () => {
  const options = site.options(server.port);
  const lent = await connectToGerrit(options, realClock, signal);
  let kept: SshClient | null = lent;
  lent.onClosed(() => {
    kept = null;
  });
  const borrowing = new SharedConnection(options, clock, () => kept);
  try {
    const seen: SshClient[] = [];
    const answer = await borrowing.run(signal, async (connection) => {
      seen.push(connection);
      if (connection === lent) {
        await lent.close();
        throw new Error('cut off');
      }
      return 'answered';
    });
    expect([answer, seen.length, seen[0] === lent, seen[1] === lent]).toEqual(['answered', 2, true, false]);
  } finally {
    await borrowing.close();
  }
});

test('the shared connection is not closed while a query uses it', async () => {
  const { answer, waiting } = held('slow');
  const query = ask('slow');
  await server.until(() => waiting() === 1);
  expect(await shared.freeConnection()).toBe(false);
  answer();
  expect(await query).toBe('done');
});
