import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fetchHostKey } from '../../../src/adapters/openssh/keyscan.ts';
import { EmbeddedGerrit } from '../../../src/demo/gerrit/embedded-gerrit.ts';
import { NEVER } from '../../fixtures/never.ts';

const TIMEOUT_MS = 60_000;

test('returns the host key of the server, and offers no key of ours', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sos-ci-shown-'));
  const gerrit = new EmbeddedGerrit({ directory, accounts: [] });
  await gerrit.start();
  try {
    const { host, port } = gerrit;
    const key = await fetchHostKey({ host, port }, TIMEOUT_MS, NEVER);
    expect(gerrit.knownHosts).toContain(key.toString('base64'));
    expect(gerrit.counts).toMatchObject({ authenticated: 0, rejected: 0 });
  } finally {
    await gerrit.stop();
    rmSync(directory, { recursive: true });
  }
});

test('fails without a listener, with a silent server, and on abort', async () => {
  const silent = createServer((socket) => socket.resume());
  const port = await new Promise<number>((resolve) => {
    silent.listen(0, '127.0.0.1', () => resolve((silent.address() as { port: number }).port));
  });
  const address = { host: '127.0.0.1', port };
  await expect(fetchHostKey(address, 50, NEVER)).rejects.toThrow('no answer within 50ms');
  await expect(fetchHostKey(address, TIMEOUT_MS, AbortSignal.abort())).rejects.toThrow('stopped');
  await new Promise((resolve) => silent.close(resolve));
  await expect(fetchHostKey(address, TIMEOUT_MS, NEVER)).rejects.toThrow('ECONNREFUSED');
});
