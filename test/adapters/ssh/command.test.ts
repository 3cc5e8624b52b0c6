/** Our scripts on a node, against a server that can hang. */
import { afterEach, expect, it } from 'vitest';
import { runNodeScript } from '../../../src/adapters/ssh/command.ts';
import { connectToNode } from '../../../src/adapters/ssh/connection.ts';
import { PinnedKey } from '../../../src/adapters/ssh/pinned-key.ts';
import { SshServer } from '../../fakes/ssh-server.ts';
import { keys } from '../gerrit/site.ts';
import { sshConfig } from './scratch.ts';

let server: SshServer | null = null;
afterEach(() => server?.close());

it('a command that is aborted before its channel opened runs no script when it opens', async () => {
  const node = await SshServer.start([keys.ed25519.private]);
  server = node;
  let script: Promise<string> | null = null;
  node.on('sh -s', ({ stdin }) => {
    script = stdin;
  });
  const access = {
    address: { user: 'zuul', host: '127.0.0.1', port: node.port, directory: '/srv/ci' },
    privateKey: Buffer.from(keys.ed25519.private),
    pinned: PinnedKey.forProbe('node', []),
    config: sshConfig('unused'),
  };
  const connection = await connectToNode(access, new AbortController().signal);
  const abort = new AbortController();
  node.hold();
  const command = {
    operation: 'unpack',
    script: new URL('../../../src/adapters/ssh/unpack.sh', import.meta.url),
  };
  const running = runNodeScript(connection, { ...command, args: [], timeoutMs: 20_000 }, abort.signal);
  abort.abort();
  await expect(running).rejects.toThrow('aborted');
  node.release();
  await node.until(() => script !== null);
  expect(await script).toBe('');
  await connection.close();
});
