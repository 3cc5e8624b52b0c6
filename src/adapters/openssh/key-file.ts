/**
 * Our private key, read again for each connection, so that an operator's correction takes effect at once. Every
 * possible defect of a key file has its own message, because ssh2 would only report that authentication failed.
 */
import { open } from 'node:fs/promises';
import ssh2, { type ParsedKey } from 'ssh2';
import { errorText, OperationError } from '../../errors.ts';

const KEY_LIMIT_BYTES = 64 * 1024;

/** The use of the key, for error messages. */
export interface KeyUse {
  /** The configuration key that names the file. */
  readonly setting: string;
  /** Where to add its public key, such as `in Gerrit`. */
  readonly addTo: string;
}

/** The public part of a key. */
export interface PublicKey {
  readonly type: string;
  /** In authorized_keys form: type, key, comment. */
  readonly line: string;
}

/** Resolves to the key's text, in a format that ssh2 can read. */
export async function readPrivateKey(file: string, use: KeyUse): Promise<Buffer> {
  return (await readKey(file, use)).text;
}

/** Derived from the private key, because a .pub file may belong to another key. */
export async function readPublicKey(file: string, use: KeyUse): Promise<PublicKey> {
  const { key } = await readKey(file, use);
  const blob = key.getPublicSSH().toString('base64');
  return { type: key.type, line: `${key.type} ${blob} ${key.comment}`.trim() };
}

interface Key {
  readonly text: Buffer;
  readonly key: ParsedKey;
}

async function readKey(file: string, use: KeyUse): Promise<Key> {
  const text = await readBounded(file, use);
  const parsed = ssh2.utils.parseKey(text);
  if (parsed instanceof Error) {
    if (isEncrypted(text)) {
      throw keyError(file, 'the key is encrypted with a passphrase', {
        hint: `create a key without a passphrase for this account: ssh-keygen -t ed25519 -N '' -f FILE, and add FILE.pub ${use.addTo}`,
        cause: parsed,
      });
    }
    throw keyError(file, 'the file contains no usable private key', {
      hint: `set ${use.setting} to an OpenSSH or PEM private key (ed25519, ecdsa or rsa)`,
      cause: parsed,
    });
  }
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (!key?.isPrivateKey()) {
    throw keyError(file, 'the file contains a public key', { hint: 'use the private key, without .pub' });
  }
  return { text, key };
}

async function readBounded(file: string, use: KeyUse): Promise<Buffer> {
  try {
    const handle = await open(file, 'r');
    try {
      const stat = await handle.stat();
      if (!stat.isFile() || stat.size > KEY_LIMIT_BYTES) {
        throw keyError(file, 'this is not a key file', { hint: `set ${use.setting} to a private key file` });
      }
      refuseOpenPermissions(file, stat.mode, stat.uid);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof OperationError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw keyError(file, missing ? 'the file does not exist' : errorText(error), {
      hint: missing
        ? `create one: ssh-keygen -t ed25519 -N '' -f ${file}, and add ${file}.pub ${use.addTo}`
        : `make it readable for the user that runs sos-ci: chmod 600, chown`,
      cause: error,
    });
  }
}

/** The same rule as ssh's: our key must not be accessible to other users. */
function refuseOpenPermissions(file: string, mode: number, uid: number): void {
  if (uid !== process.getuid?.() || (mode & 0o077) === 0) return;
  const octal = (mode & 0o777).toString(8);
  throw keyError(file, `other users can read or change it (mode ${octal})`, { hint: `chmod 600 ${file}` });
}

/** ssh2 reports encryption only in message text, so this checks the file: PEM has a header, OpenSSH a cipher name. */
function isEncrypted(text: Buffer): boolean {
  const pem = text.toString('latin1');
  if (/^Proc-Type: 4,ENCRYPTED/m.test(pem) || pem.includes('BEGIN ENCRYPTED PRIVATE KEY')) return true;
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(pem)?.[1];
  if (body === undefined) return false;
  const blob = Buffer.from(body, 'base64');
  const magic = Buffer.from('openssh-key-v1\0');
  if (!blob.subarray(0, magic.length).equals(magic) || blob.length < magic.length + 4) return false;
  const length = blob.readUInt32BE(magic.length);
  return blob.toString('latin1', magic.length + 4, magic.length + 4 + Math.min(length, 64)) !== 'none';
}

function keyError(
  file: string,
  message: string,
  more: { readonly hint: string; readonly cause?: unknown },
): OperationError {
  return new OperationError({
    operation: 'read private key',
    target: file,
    message: `private key ${file}: ${message}`,
    retryable: false,
    ...more,
  });
}
