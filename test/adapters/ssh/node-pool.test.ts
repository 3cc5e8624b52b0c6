/** Connections to nodes: the host key of a node, shared connections, and unreachable nodes. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientChannel } from 'ssh2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest';
import type { SshConfig } from '../../../src/config/config.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import type { Server } from '../../../src/machines/model/domain.ts';
import { CuttingProxy } from '../../fixtures/cutting-proxy.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { until } from '../local/scratch.ts';
import { NodeScratch } from './scratch.ts';

const { it } = needs('sshd');

let sshd: Sshd;
let proxy: CuttingProxy;
let scratch: NodeScratch;
const scratches: NodeScratch[] = [];
beforeAll(async () => {
  sshd = await Sshd.start();
});
beforeEach(async () => {
  proxy = await CuttingProxy.start(sshd.port);
  scratch = newScratch();
});
afterEach(async () => {
  for (const one of scratches.splice(0)) await one.close();
  await proxy.close();
});
afterAll(() => sshd.close());

function newScratch(change: Partial<SshConfig> = {}): NodeScratch {
  const created = new NodeScratch(
    { ...sshd, port: proxy.port, user: sshd.user, keyFile: sshd.keyFile },
    change,
  );
  scratches.push(created);
  return created;
}

const options = (timeoutMs = 10_000, signal = NEVER) => ({ operation: 'reach', timeoutMs, signal });
const pinned = (server: Server) => join(scratch.stateDir, 'host-keys', `lab-${server.id}`);

describe('a node is verified', () => {
  it('by the key of its first connection, until its server is released', async () => {
    const server = scratch.server();
    await scratch.nodes.reach(server, options());
    expect(readFileSync(pinned(server), 'latin1')).toBe(`${sshd.hostKey.split(' ')[1]}\n`);
    await scratch.nodes.disconnect(server);
    await scratch.newNodes().reach(server, options());
    const other = Buffer.from(makeKeyPair('').publicKey.split(' ')[1] ?? '', 'base64');
    writeFileSync(pinned(server), `${other.toString('base64')}\n`);
    await expect(scratch.nodes.reach(server, options())).rejects.toMatchObject({
      operation: 'verify host key',
      retryable: false,
      message: expect.stringMatching(
        /shows ssh-ed25519 SHA256:.*, but ssh-ed25519 SHA256:.* is pinned for this server/,
      ),
    });
    await scratch.nodes.release(server);
    expect(existsSync(pinned(server))).toBe(false);
    await scratch.nodes.reach(server, options());
  });

  it('by a key that was pinned before', async () => {
    const server = scratch.server();
    const other = Buffer.from(makeKeyPair('').publicKey.split(' ')[1] ?? '', 'base64');
    await scratch.nodes.pin(server, other);
    await expect(scratch.nodes.reach(server, options())).rejects.toHaveProperty(
      'operation',
      'verify host key',
    );
    expect(readFileSync(pinned(server), 'latin1')).toBe(`${other.toString('base64')}\n`);
  });

  it('by a known_hosts file, which must then contain it', async () => {
    const file = join(scratch.root, 'known_hosts');
    const strict = newScratch({ knownHostsFile: file });
    const server = strict.server();
    writeFileSync(file, '');
    await expect(strict.nodes.reach(server, options())).rejects.toMatchObject({
      operation: 'look up host key',
      retryable: false,
    });
    writeFileSync(file, `[127.0.0.1]:${proxy.port} ${sshd.hostKey}\n`);
    await strict.nodes.reach(server, options());
  });

  it('never by an unreadable pinned key', async () => {
    const server = scratch.server();
    await scratch.nodes.reach(server, options());
    await scratch.nodes.disconnect(server);
    for (const text of ['', 'xx\n', 'AAAA\n']) {
      writeFileSync(pinned(server), text);
      await expect(scratch.nodes.reach(server, options())).rejects.toMatchObject({
        operation: 'read pinned host key',
        retryable: false,
      });
    }
  });
});

describe('a connection', () => {
  it('is shared by concurrent callers', async () => {
    const server = scratch.server();
    await Promise.all([1, 2, 3, 4].map(() => scratch.nodes.reach(server, options())));
    expect(proxy.connections).toBe(1);
  });

  it('is closed when it is idle, and when its server is released', async () => {
    const idle = newScratch({ idleMs: 100 });
    await idle.nodes.reach(idle.server(), options());
    await until('the end of the idle connection', () => proxy.open === 0);
    const server = scratch.server();
    await scratch.nodes.reach(server, options());
    expect(proxy.open).toBe(1);
    await scratch.nodes.release(server);
    await until('the end of the connection', () => proxy.open === 0);
  });

  it('is closed when its server is released without its address', async () => {
    const server = scratch.server();
    await scratch.nodes.reach(server, options());
    await scratch.nodes.release({ ...server, id: server.id.slice(0, -1) });
    expect(proxy.open).toBe(1);
    await scratch.nodes.release({ ...server, address: 'ssh://nobody@none.invalid:22/tmp' });
    await until('the end of the connection', () => proxy.open === 0);
  });

  it('runs callbacks in the async context of the caller, and close callbacks in none', async () => {
    const work = new AsyncLocalStorage<string>();
    const server = scratch.server();
    const calls: unknown[] = [];
    const record = (name: string) => (): void => void calls.push([name, work.getStore()]);
    const execute = (name: string) =>
      work.run(name, () =>
        scratch.nodes.get(server).using(options(), async (connection) => {
          connection.onClosed(record(`${name}: gone`));
          await new Promise<void>((resolve, reject) => {
            const attach = (channel: ClientChannel): void => {
              record('attach')();
              channel.on('data', record('data'));
              channel.on('close', record('close'));
              channel.on('close', resolve);
            };
            connection.exec('echo x', attach, { timeoutMs: 10_000, signal: NEVER }).catch(reject);
          });
        }),
      );
    await execute('A');
    await execute('B');
    expect(proxy.connections).toBe(1);
    await work.run('C', () => scratch.nodes.disconnect(server));
    const callbacks = ['attach', 'data', 'close'];
    expect(calls).toEqual([
      ...callbacks.map((name) => [name, 'A']),
      ...callbacks.map((name) => [name, 'B']),
      ...['A: gone', 'B: gone'].map((name) => [name, undefined]),
    ]);
  });

  it('with a key that the node refuses is retried until the deadline', async () => {
    const stranger = join(scratch.root, 'stranger');
    writeFileSync(stranger, makeKeyPair('').privateKey, { mode: 0o600 });
    const other = newScratch({ keyFile: stranger });
    await expect(other.nodes.reach(other.server(), options(1_500))).rejects.toMatchObject({
      name: 'OperationError',
      retryable: true,
      message: expect.stringContaining(`does not accept the key ${stranger}`),
      hint: expect.stringContaining('authorized_keys'),
    });
    expect(proxy.connections).toBeGreaterThan(1);
  });

  it('is not tried with an unusable key file', async () => {
    const other = newScratch({ keyFile: join(scratch.root, 'missing') });
    await expect(other.nodes.reach(other.server(), options())).rejects.toMatchObject({
      operation: 'read private key',
      retryable: false,
      hint: expect.stringContaining('authorized_keys'),
    });
    expect(proxy.connections).toBe(0);
  });

  it('to an unreachable node is retried with backoff until it succeeds', async () => {
    proxy.accepts = false;
    const server = scratch.server();
    const reached = scratch.nodes.reach(server, options(30_000));
    await until('some attempts', () => proxy.connections >= 4);
    proxy.accepts = true;
    await reached;
    // The waits grow from 50 to 500 ms.
    expect(proxy.connections).toBeLessThan(30);
  });

  it('to a silent node ends at the deadline', async () => {
    const quick = newScratch({ connectTimeoutMs: 300 });
    proxy.pause();
    await expect(quick.nodes.reach(quick.server(), options(1_500))).rejects.toMatchObject({
      message: expect.stringMatching(
        /^the server has been unreachable since .*Z; last error: no connection to .* within 300ms$/,
      ),
    });
  });

  it('that is dead is detected by its keepalive', async () => {
    const quick = newScratch({ keepaliveMs: 100, keepaliveMax: 2 });
    const request = quick.script('echo one; until [ -e "$1/go" ]; do sleep 0.05; done; echo two');
    const handle = await quick.runner().start(request, NEVER);
    await until('its first output', async () => (await quick.log(request)) === 'one\n');
    proxy.pause();
    await quick.put('go', '');
    await until('another attempt', () => proxy.connections > 1);
    proxy.resume();
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(await quick.log(request)).toBe('one\ntwo\n');
  });

  it('is not opened after an abort', async () => {
    const refused = scratch.nodes.reach(scratch.server(), options(10_000, AbortSignal.abort()));
    await expect(refused).rejects.toMatchObject({
      name: 'OperationError',
      message: 'aborted before it was done',
    });
  });

  it('that is aborted reports the last failure', async () => {
    proxy.accepts = false;
    const cancel = new AbortController();
    const refused = scratch.nodes.reach(scratch.server(), options(60_000, cancel.signal));
    await until('a second attempt', () => proxy.connections >= 2);
    cancel.abort();
    await expect(refused).rejects.toMatchObject({
      message: expect.stringMatching(/^aborted before it was done; last: no connection to /),
      last: expect.objectContaining({ operation: 'connect to node' }),
    });
  });

  it('is refused for a provider that is not in the configuration', async () => {
    const { NodePool } = await import('../../../src/adapters/ssh/node-pool.ts');
    const nodes = new NodePool({ stateDir: scratch.stateDir, configOf: () => undefined });
    await expect(nodes.reach(scratch.server(), options())).rejects.toMatchObject({
      message: 'the provider of this server is no longer in the configuration',
    });
  });
});
