/**
 * A new ed25519 key in a file of its own, made by OpenSSH's own program: ssh2's generator makes one in some two hundred that
 * nobody can read. A file that is there is never written to.
 */
import { existsSync, readFileSync } from 'node:fs';
import { execa } from 'execa';
import { errorText, OperationError } from '../../errors.ts';

/** Returns the public half, one line. @param timeoutMs for the program */
export async function makeKey(file: string, comment: string, timeoutMs: number): Promise<string> {
  for (const path of [file, `${file}.pub`]) {
    if (existsSync(path)) throw keyError(file, `${path} is there already`, 'name another file with --key');
  }
  const argv = ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file];
  // Asked whether to overwrite, it finds nobody to answer.
  const { failed, code, stderr, shortMessage } = await execa('ssh-keygen', argv, {
    stdin: 'ignore',
    reject: false,
    timeout: timeoutMs,
  });
  if (failed) {
    const missing = code === 'ENOENT';
    const why = stderr?.trim() || shortMessage || 'it failed';
    throw keyError(
      file,
      why,
      missing ? 'apt-get install openssh-client' : 'is its folder there and writable?',
    );
  }
  return publicHalf(file);
}

/** The line that belongs into an account. */
export function publicHalf(file: string): string {
  try {
    return readFileSync(`${file}.pub`, 'utf8').trim();
  } catch (error) {
    throw keyError(file, errorText(error), `make it again: ssh-keygen -y -f ${file} > ${file}.pub`);
  }
}

function keyError(target: string, message: string, hint: string): OperationError {
  return new OperationError({ operation: 'make key', target, message, retryable: false, hint });
}
