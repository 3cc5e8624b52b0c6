/**
 * Generates Ed25519 keys in OpenSSH's format, for accounts and hosts of demos and tests. Does not use ssh2's generator, which
 * creates about one unreadable key in two hundred.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';

const TYPE = 'ssh-ed25519';
const BLOCK_BYTES = 8;
/** The last bytes of the DER of a private or public Ed25519 key are the key itself (RFC 8410). */
const RAW_BYTES = 32;

export interface KeyPair {
  /** The text of a private key file, without a passphrase. */
  readonly privateKey: string;
  /** One line: type, key, comment. */
  readonly publicKey: string;
}

export function makeKeyPair(comment: string): KeyPair {
  // Exported while they are generated: exporting a key later can hang Node 20 forever. A garbage collection in the
  // middle of the export destroys the job that generated the key, which waits for the lock that the export holds.
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { format: 'der', type: 'pkcs8' },
    publicKeyEncoding: { format: 'der', type: 'spki' },
  });
  const [seed, point] = [privateKey.subarray(-RAW_BYTES), publicKey.subarray(-RAW_BYTES)];
  const publicBlob = Buffer.concat([text(TYPE), text(point)]);
  const check = randomBytes(4);
  const body = [check, check, text(TYPE), text(point), text(Buffer.concat([seed, point])), text(comment)];
  const length = body.reduce((sum, part) => sum + part.length, 0);
  const padding = Buffer.from(
    [1, 2, 3, 4, 5, 6, 7].slice(0, (BLOCK_BYTES - (length % BLOCK_BYTES)) % BLOCK_BYTES),
  );
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    text('none'),
    text('none'),
    text(''),
    Buffer.from([0, 0, 0, 1]),
    text(publicBlob),
    text(Buffer.concat([...body, padding])),
  ]);
  const lines = file.toString('base64').match(/.{1,70}/g) ?? [];
  return {
    privateKey: [
      '-----BEGIN OPENSSH PRIVATE KEY-----',
      ...lines,
      '-----END OPENSSH PRIVATE KEY-----',
      '',
    ].join('\n'),
    publicKey: `${TYPE} ${publicBlob.toString('base64')} ${comment}`,
  };
}

/** A length in four bytes, then the bytes. */
function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
