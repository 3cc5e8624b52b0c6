/**
 * Reads OpenSSH's known_hosts, because ssh2 accepts every host key by default. Finds the keys that the operator has
 * pinned for one host and port, and checks the key that a server presents. Supports plain, `[host]:port`, hashed,
 * wildcard and negated patterns and `@revoked`. `@cert-authority` lines are skipped: only a host's own key counts.
 * Invalid lines are skipped too, as ssh does.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errorText, OperationError } from '../../errors.ts';

export interface KnownKey {
  /** The type in the key itself: `ssh-rsa`, `ssh-ed25519` ... */
  readonly type: string;
  readonly blob: Buffer;
  /** Line in the file, from 1. */
  readonly line: number;
}

/** The entries for one host. */
export interface KnownHost {
  readonly file: string;
  readonly host: string;
  readonly port: number;
  readonly keys: readonly KnownKey[];
  /** True: there are keys for `[host]:port`. False: the keys are those of the bare host, maybe of another server on it. */
  readonly isExact: boolean;
  readonly revoked: readonly KnownKey[];
}

export const SSH_PORT = 22;

/** The signature algorithms for each key type, in order of preference. SHA-1 for rsa is excluded. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/**
 * Reads the file again each time, so that an operator's correction takes effect at the next attempt. A missing file
 * contains no hosts.
 */
export async function readKnownHost(file: string, host: string, port: number): Promise<KnownHost> {
  let text = '';
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new OperationError({
        operation: 'read known_hosts',
        target: file,
        message: errorText(error),
        retryable: false,
        hint: `make ${file} readable for the user that runs sos-ci`,
        cause: error,
      });
    }
  }
  return findKnownHost(text, { file, host, port });
}

/** As in ssh: entries for `[host]:port` apply; when there are none, a key of the bare host is accepted too. */
export function findKnownHost(
  text: string,
  where: { readonly file: string; readonly host: string; readonly port: number },
): KnownHost {
  const host = where.host.toLowerCase();
  const lines = parseLines(text);
  const names = where.port === SSH_PORT ? [host] : [`[${host}]:${where.port}`, host];
  const revoked = lines.filter((line) => line.revoked && names.some((name) => matches(line.hosts, name)));
  for (const [index, name] of names.entries()) {
    const keys = lines.filter((line) => !line.revoked && matches(line.hosts, name));
    if (keys.length > 0) return { ...where, keys, isExact: index === 0, revoked };
  }
  return { ...where, keys: [], isExact: false, revoked };
}

/** The host key algorithms to request: only those of known keys. Empty: no usable key is known. */
export function hostKeyAlgorithms(known: {
  readonly keys: readonly Pick<KnownKey, 'type'>[];
}): readonly string[] {
  const types = new Set(known.keys.map((key) => key.type));
  return Object.entries(ALGORITHMS).flatMap(([type, algorithms]) => (types.has(type) ? algorithms : []));
}

/** Every algorithm, for a server without known keys. */
export function allHostKeyAlgorithms(): readonly string[] {
  return Object.values(ALGORITHMS).flat();
}

export type HostKeyJudgement = 'known' | 'unknown' | 'changed' | 'revoked';

export function judgeHostKey(known: KnownHost, presented: Buffer): HostKeyJudgement {
  if (known.revoked.some((key) => key.blob.equals(presented))) return 'revoked';
  if (known.keys.some((key) => key.blob.equals(presented))) return 'known';
  return known.isExact ? 'changed' : 'unknown';
}

/** The type at the beginning of every public key: a length, then that many characters. */
export function keyType(blob: Buffer): string | null {
  if (blob.length < 8) return null;
  const length = blob.readUInt32BE(0);
  if (length < 4 || length > 64 || blob.length < 4 + length) return null;
  const type = blob.toString('latin1', 4, 4 + length);
  return /^[a-z0-9@.-]+$/.test(type) ? type : null;
}

/** The fingerprint in the format of `ssh-keygen -l`. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

interface ParsedLine extends KnownKey {
  readonly hosts: string;
  readonly revoked: boolean;
}

function parseLines(text: string): ParsedLine[] {
  return text.split('\n').flatMap((raw, index) => {
    const fields = raw.trim().split(/[ \t]+/);
    const marker = fields[0]?.startsWith('@') ? fields.shift() : undefined;
    if (marker !== undefined && marker !== '@revoked') return [];
    const [hosts = '', , encoded = ''] = fields;
    if (hosts === '' || hosts.startsWith('#')) return [];
    const blob = Buffer.from(encoded, 'base64');
    const type = keyType(blob);
    if (type === null) return [];
    return [{ hosts, type, blob, line: index + 1, revoked: marker === '@revoked' }];
  });
}

function matches(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) return matchesHash(hosts, name);
  let found = false;
  for (const pattern of hosts.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

/** `|1|salt|hash`: HMAC-SHA1 of the name. */
function matchesHash(hosts: string, name: string): boolean {
  const [, version, salt = '', hash = ''] = hosts.split('|');
  if (version !== '1') return false;
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/**
 * Matches `*` and `?` only, without building a regular expression from untrusted text. Time is at most the product of
 * the two lengths.
 */
function matchesPattern(pattern: string, name: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let index = 0;
  while (at < name.length) {
    const wanted = pattern[index];
    if (wanted === '*') {
      star = index++;
      resume = at;
    } else if (wanted === '?' || wanted === name[at]) {
      index++;
      at++;
    } else if (star >= 0) {
      index = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[index] === '*') index++;
  return index === pattern.length;
}

/** A line of known_hosts. @param name a host name without special characters */
export function hostKeyLine(name: string, key: Buffer): string {
  return `${name} ${keyType(key) ?? ''} ${key.toString('base64')}\n`;
}
