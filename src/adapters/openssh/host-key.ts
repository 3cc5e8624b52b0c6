/**
 * The host keys by which a node may be known before it was ever seen: a key that is written out, or what a known_hosts file
 * says of it.
 */
import { OperationError } from '../../errors.ts';
import { keyType, readKnownHost } from './known-hosts.ts';

/** `TYPE BASE64 COMMENT`, as in known_hosts and in a host's own .pub files; null: it is none. */
export function parseHostKey(text: string): Buffer | null {
  const [type = '', encoded = ''] = text.trim().split(/[ \t]+/);
  const blob = Buffer.from(encoded, 'base64');
  return keyType(blob) === type ? blob : null;
}

/** []: nothing is said of it, so the key that it shows at first contact counts. */
export async function expectedHostKeys(
  node: { readonly host: string; readonly port: number; readonly hostKey: string | null },
  knownHostsFile: string | null,
): Promise<readonly Buffer[]> {
  const { host, port, hostKey } = node;
  if (hostKey !== null) {
    const blob = parseHostKey(hostKey);
    if (blob !== null) return [blob];
    throw unusable(
      `${host}:${port}`,
      'its hostKey is no public key',
      'write it as `TYPE BASE64`, such as ssh-keyscan prints after the name',
    );
  }
  if (knownHostsFile === null) return [];
  const { keys, revoked } = await readKnownHost(knownHostsFile, host, port);
  const good = keys.filter(({ blob }) => !revoked.some((bad) => bad.blob.equals(blob)));
  if (good.length > 0) return good.map(({ blob }) => blob);
  throw unusable(
    `${host}:${port}`,
    `${knownHostsFile} names no host key of it`,
    `compare the key with the node's operator, then: ssh-keyscan -p ${port} ${host} >> ${knownHostsFile}`,
  );
}

function unusable(target: string, message: string, hint: string): OperationError {
  return new OperationError({ operation: 'look up host key', target, message, retryable: false, hint });
}
