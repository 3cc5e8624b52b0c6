/** Connections to nodes: by which key a node is known, what is shared, and what happens when it is away. */

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
const all: NodeScratch[] = [];
beforeAll(async () => {
  sshd = await Sshd.start();
});
beforeEach(async () => {
  proxy = await CuttingProxy.start(sshd.port);
  scratch = fresh();
});
afterEach(async () => {
  for (const one of all.splice(0)) await one.close();
  await proxy.close();
});
afterAll(() => sshd.close());

function fresh(change: Partial<SshConfig> = {}): NodeScratch {
  const made = new NodeScratch({ ...sshd, port: proxy.port, user: sshd.user, keyFile: sshd.keyFile }, change);
  all.push(made);
  return made;
}

const effort = (timeoutMs = 10_000, signal = NEVER) => ({ operation: 'reach', timeoutMs, signal });
const pinned = (server: Server) => join(scratch.stateDir, 'host-keys', `lab-${server.id}`);

describe('a node is known', () => {
  it('by the key that it shows first, until its server is forgotten', async () => {
    const server = scratch.server();
    await scratch.nodes.reach(server, effort());
    expect(readFileSync(pinned(server), 'latin1')).toBe(`${sshd.hostKey.split(' ')[1]}\n`);
    await scratch.nodes.disconnect(server);
    await scratch.newNodes().reach(server, effort());
    const other = Buffer.from(makeKeyPair('').publicKey.split(' ')[1] ?? '', 'base64');
    writeFileSync(pinned(server), `${other.toString('base64')}\n`);
    await expect(scratch.nodes.reach(server, effort())).rejects.toMatchObject({
      operation: 'verify host key',
      retryable: false,
      message: expect.stringMatching(
        /shows ssh-ed25519 SHA256:.*, pinned for this server is ssh-ed25519 SHA256:/,
      ),
    });
    await scratch.nodes.release(server);
    expect(existsSync(pinned(server))).toBe(false);
    await scratch.nodes.reach(server, effort());
  });

  it('by the key that was named before', async () => {
    const server = scratch.server();
    const other = Buffer.from(makeKeyPair('').publicKey.split(' ')[1] ?? '', 'base64');
    await scratch.nodes.pin(server, other);
    await expect(scratch.nodes.reach(server, effort())).rejects.toHaveProperty(
      'operation',
      'verify host key',
    );
    expect(readFileSync(pinned(server), 'latin1')).toBe(`${other.toString('base64')}\n`);
  });

  it('by a known_hosts file, which then must name it', async () => {
    const file = join(scratch.root, 'known_hosts');
    const strict = fresh({ knownHostsFile: file });
    const server = strict.server();
    writeFileSync(file, '');
    await expect(strict.nodes.reach(server, effort())).rejects.toMatchObject({
      operation: 'look up host key',
      retryable: false,
    });
    writeFileSync(file, `[127.0.0.1]:${proxy.port} ${sshd.hostKey}\n`);
    await strict.nodes.reach(server, effort());
  });

  it('by nothing that cannot be read', async () => {
    const server = scratch.server();
    await scratch.nodes.reach(server, effort());
    await scratch.nodes.disconnect(server);
    for (const text of ['', 'xx\n', 'AAAA\n']) {
      writeFileSync(pinned(server), text);
      await expect(scratch.nodes.reach(server, effort())).rejects.toMatchObject({
        operation: 'read pinned host key',
        retryable: false,
      });
    }
  });
});

describe('a connection', () => {
  it('is one, whoever wants something at the same time', async () => {
    const server = scratch.server();
    await Promise.all([1, 2, 3, 4].map(() => scratch.nodes.reach(server, effort())));
    expect(proxy.connections).toBe(1);
  });

  it('is closed when nobody has used it for a while, and when its server is forgotten', async () => {
    const idle = fresh({ idleMs: 100 });
    await idle.nodes.reach(idle.server(), effort());
    await until('the end of the idle connection', () => proxy.open === 0);
    const server = scratch.server();
    await scratch.nodes.reach(server, effort());
    expect(proxy.open).toBe(1);
    await scratch.nodes.release(server);
    await until('the end of the connection', () => proxy.open === 0);
  });

  it('carries the work of who asks, not of who opened it; its end is nobody’s', async () => {
    const work = new AsyncLocalStorage<string>();
    const server = scratch.server();
    const heard: unknown[] = [];
    const hear = (name: string) => (): void => void heard.push([name, work.getStore()]);
    const asking = (name: string) =>
      work.run(name, () =>
        scratch.nodes.get(server).using(effort(), async (connection) => {
          connection.onClosed(hear(`${name}: gone`));
          await new Promise<void>((resolve, reject) => {
            const attach = (channel: ClientChannel): void => {
              hear('attach')();
              channel.on('data', hear('data'));
              channel.on('close', hear('close'));
              channel.on('close', resolve);
            };
            connection.exec('echo x', attach, { timeoutMs: 10_000, signal: NEVER }).catch(reject);
          });
        }),
      );
    await asking('A');
    await asking('B');
    expect(proxy.connections).toBe(1);
    await work.run('C', () => scratch.nodes.disconnect(server));
    const callbacks = ['attach', 'data', 'close'];
    expect(heard).toEqual([
      ...callbacks.map((name) => [name, 'A']),
      ...callbacks.map((name) => [name, 'B']),
      ...['A: gone', 'B: gone'].map((name) => [name, undefined]),
    ]);
  });

  it('is refused with a key that the node does not know, again until the time is over', async () => {
    const stranger = join(scratch.root, 'stranger');
    writeFileSync(stranger, makeKeyPair('').privateKey, { mode: 0o600 });
    const other = fresh({ keyFile: stranger });
    await expect(other.nodes.reach(other.server(), effort(1_500))).rejects.toMatchObject({
      name: 'OperationError',
      retryable: true,
      message: expect.stringContaining(`does not accept the key ${stranger}`),
      hint: expect.stringContaining('authorized_keys'),
    });
    expect(proxy.connections).toBeGreaterThan(1);
  });

  it('is not tried with a key file that cannot be used', async () => {
    const other = fresh({ keyFile: join(scratch.root, 'missing') });
    await expect(other.nodes.reach(other.server(), effort())).rejects.toMatchObject({
      operation: 'read private key',
      retryable: false,
      hint: expect.stringContaining('authorized_keys'),
    });
    expect(proxy.connections).toBe(0);
  });

  it('backs off from a node that is away, and comes back when it does', async () => {
    proxy.accepts = false;
    const server = scratch.server();
    const reached = scratch.nodes.reach(server, effort(30_000));
    await until('some attempts', () => proxy.connections >= 4);
    proxy.accepts = true;
    await reached;
    // Two in a row and a long wait between them: the waits grow from 50 to 500 ms.
    expect(proxy.connections).toBeLessThan(30);
  });

  it('to a node that says nothing is given up at its own deadline', async () => {
    const quick = fresh({ connectTimeoutMs: 300 });
    proxy.pause();
    await expect(quick.nodes.reach(quick.server(), effort(1_500))).rejects.toMatchObject({
      message: expect.stringMatching(/^not done within 2s; last: no connection to .* within 300ms$/),
    });
  });

  it('that went dead is noticed by its keepalive', async () => {
    const quick = fresh({ keepaliveMs: 100, keepaliveMax: 2 });
    const request = quick.script('echo one; until [ -e "$1/go" ]; do sleep 0.05; done; echo two');
    const handle = await quick.runner().start(request, NEVER);
    await until('its first words', async () => (await quick.log(request)) === 'one\n');
    proxy.pause();
    await quick.put('go', '');
    await until('another attempt', () => proxy.connections > 1);
    proxy.resume();
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(await quick.log(request)).toBe('one\ntwo\n');
  });

  it('is not made when nobody wants it any more', async () => {
    const refused = scratch.nodes.reach(scratch.server(), effort(10_000, AbortSignal.abort()));
    await expect(refused).rejects.toMatchObject({
      name: 'OperationError',
      message: 'aborted before it was done',
    });
  });

  it('that is given up from outside names the last failure', async () => {
    proxy.accepts = false;
    const cancel = new AbortController();
    const refused = scratch.nodes.reach(scratch.server(), effort(60_000, cancel.signal));
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
    await expect(nodes.reach(scratch.server(), effort())).rejects.toMatchObject({
      message: 'the provider of this server is not in the configuration any more',
    });
  });
});
