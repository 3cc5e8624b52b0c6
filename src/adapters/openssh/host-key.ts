/**
 * The host keys of a node that are known before the first contact: a configured key, or those in a known_hosts file.
 */
import { OperationError } from '../../errors.ts';
import { keyType, readKnownHost } from './known-hosts.ts';

/** Parses `TYPE BASE64 COMMENT`, as in a host's own .pub files or after the names in known_hosts; null when invalid. */
export function parseHostKey(text: string): Buffer | null {
  const [type = '', encoded = ''] = text.trim().split(/[ \t]+/);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return null;
  const blob = Buffer.from(encoded, 'base64');
  return keyType(blob) === type && isWhole(blob, type) ? blob : null;
}

/** False for a key that was cut. Each field begins with its length; Ed25519 has one beside the type, others more. */
function isWhole(blob: Buffer, type: string): boolean {
  let [at, fields] = [0, 0];
  for (; at + 4 <= blob.length; fields += 1) at += 4 + blob.readUInt32BE(at);
  return at === blob.length && fields >= (type.startsWith('ssh-ed') ? 2 : 3);
}

/**
 * @throws OperationError when the file has no valid key for the host, because a configured file must not admit unknown
 * hosts
 */
export async function knownHostKeys(host: string, port: number, file: string): Promise<readonly Buffer[]> {
  const { keys, revoked } = await readKnownHost(file, host, port);
  const good = keys.filter(({ blob }) => !revoked.some((bad) => bad.blob.equals(blob)));
  if (good.length > 0) return good.map(({ blob }) => blob);
  throw new OperationError({
    operation: 'look up host key',
    target: `${host}:${port}`,
    message: `${file} has no host key for ${host}:${port}`,
    retryable: false,
    hint: `compare the key with the node's operator, then: ssh-keyscan -p ${port} ${host} >> ${file}`,
  });
}
