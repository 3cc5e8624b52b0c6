/**
 * Asks a server for its host key and goes away again, before anything of ours was offered. What it shows proves nothing: a
 * person compares the fingerprint with what the server's operator says.
 */
import { Socket } from 'node:net';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import ssh2 from 'ssh2';
import { errorText, OperationError } from '../../errors.ts';
import { after } from '../../timer.ts';
import { allHostKeyAlgorithms } from './known-hosts.ts';

export interface SshPlace {
  readonly host: string;
  readonly port: number;
}

/** The key that the server prefers of those that we can use. @throws OperationError */
export function shownHostKey(
  { host, port }: SshPlace,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const socket = new Socket();
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    let shown: Buffer | null = null;
    const finish = (why: string): void => {
      cancel();
      signal.removeEventListener('abort', abort);
      socket.destroy();
      if (shown === null) reject(unseen(host, port, why));
      else resolve(shown);
    };
    const abort = (): void => finish('stopped');
    const cancel = after(timeoutMs, () => finish(`no answer within ${timeoutMs} ms`));
    signal.addEventListener('abort', abort, { once: true });
    client.on('error', (error) => finish(errorText(error)));
    client.once('close', () => finish('closed by the server'));
    socket.connect({ host, port });
    client.connect({
      sock: socket,
      username: 'nobody',
      readyTimeout: 0,
      algorithms: { serverHostKey: [...allHostKeyAlgorithms()] as ServerHostKeyAlgorithm[] },
      hostVerifier: (presented: Buffer) => {
        shown = Buffer.from(presented);
        return false;
      },
    });
    if (signal.aborted) abort();
  });
}

function unseen(host: string, port: number, why: string): OperationError {
  return new OperationError({
    operation: 'ask for host key',
    target: `${host}:${port}`,
    message: `${host}:${port} shows no host key: ${why}`,
    retryable: true,
    hint: 'check host, port, network and firewall',
  });
}
