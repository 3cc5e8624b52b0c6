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

/** @throws OperationError when the file names none that counts: who gives such a file wants no other host */
export async function knownHostKeys(host: string, port: number, file: string): Promise<readonly Buffer[]> {
  const { keys, revoked } = await readKnownHost(file, host, port);
  const good = keys.filter(({ blob }) => !revoked.some((bad) => bad.blob.equals(blob)));
  if (good.length > 0) return good.map(({ blob }) => blob);
  throw new OperationError({
    operation: 'look up host key',
    target: `${host}:${port}`,
    message: `${file} names no host key of ${host}:${port}`,
    retryable: false,
    hint: `compare the key with the node's operator, then: ssh-keyscan -p ${port} ${host} >> ${file}`,
  });
}
