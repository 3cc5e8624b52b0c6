/** Adds a host's key to our known_hosts file. Existing lines are never changed. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { errorText, OperationError } from '../../errors.ts';
import { findKnownHost, judgeHostKey, keyType, SSH_PORT } from './known-hosts.ts';

/** @throws OperationError when the file has another key for this host */
export function pinHostKey(file: string, host: string, port: number, key: Buffer): 'pinned' | 'known' {
  const target = `${host}:${port}`;
  const refused = (message: string, hint: string): OperationError =>
    new OperationError({ operation: 'pin host key', target, message, retryable: false, hint });
  try {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const judgement = judgeHostKey(findKnownHost(text, { file, host, port }), key);
    if (judgement === 'known') return 'known';
    if (judgement !== 'unknown') {
      throw refused(
        `${file} has another key for this host`,
        `if the new key is correct: ssh-keygen -R '${nameOf(host, port)}' -f ${file}`,
      );
    }
    const gap = text === '' || text.endsWith('\n') ? '' : '\n';
    appendFileSync(file, `${gap}${knownHostLine(host, port, key)}\n`, { mode: 0o644 });
    return 'pinned';
  } catch (error) {
    if (error instanceof OperationError) throw error;
    throw refused(errorText(error), `check that ${file} is writable`);
  }
}

/** The known_hosts line for this key. */
export function knownHostLine(host: string, port: number, key: Buffer): string {
  return `${nameOf(host, port)} ${keyType(key) ?? ''} ${key.toString('base64')}`;
}

function nameOf(host: string, port: number): string {
  return port === SSH_PORT ? host : `[${host}]:${port}`;
}
