/**
 * Reads a server's host key and disconnects before it offers any of our keys. The key is unverified: a person compares
 * its fingerprint with the one from the server's operator.
 */
import { errorText, OperationError } from '../../errors.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { after } from '../../timer.ts';
import { SshClient } from '../ssh/client/client.ts';
import type { SshFailure } from '../ssh/client/failure.ts';
import { allHostKeyAlgorithms } from './known-hosts.ts';

export interface SshEndpoint {
  readonly host: string;
  readonly port: number;
}

/** The server's preferred key among those that we support. @throws OperationError */
export async function fetchHostKey(
  { host, port }: SshEndpoint,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Buffer> {
  let shown: Buffer | null = null;
  const judge = async (presented: Buffer) => {
    shown = presented;
    return noHostKey(host, port, 'the key was read');
  };
  const access = {
    ...{ host, port, user: 'nobody', privateKey: null, after },
    hostKeys: { algorithms: allHostKeyAlgorithms(), judge },
    connectTimeoutMs: timeoutMs,
    ...{ keepaliveMs: 0, keepaliveMax: 0, closeTimeoutMs: 0, closeOnStuckChannel: true },
    toError: ({ kind, cause }: SshFailure) => {
      if (kind === 'stopped') return noHostKey(host, port, 'stopped');
      if (kind === 'connect-timeout')
        return noHostKey(host, port, `no answer within ${formatLimit(timeoutMs)}`);
      return noHostKey(host, port, cause === null ? 'closed by the server' : errorText(cause));
    },
  };
  const client = await SshClient.open(access, signal).catch((error: unknown) => {
    if (shown === null) throw error;
    return null;
  });
  await client?.close();
  if (shown === null) throw noHostKey(host, port, 'it accepted the login without a host key');
  return shown;
}

function noHostKey(host: string, port: number, why: string): OperationError {
  return new OperationError({
    operation: 'read host key',
    target: `${host}:${port}`,
    message: `${host}:${port} shows no host key: ${why}`,
    retryable: true,
    hint: 'check host, port, network and firewall',
  });
}
