/**
 * Creates a new ed25519 key file with OpenSSH's ssh-keygen, because about one in two hundred keys from ssh2's generator
 * is unreadable. The key is created in a temporary directory and then linked, so it appears complete, and an existing
 * file is never overwritten.
 */
import { existsSync, linkSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { errorText, OperationError } from '../../errors.ts';
import { timerDelay } from '../../timer.ts';

/** Creates FILE (mode 600) and FILE.pub. @param timeoutMs for ssh-keygen */
export async function makeKey(file: string, comment: string, timeoutMs: number): Promise<void> {
  for (const path of [file, `${file}.pub`]) {
    if (existsSync(path))
      throw keyError(file, `${path} exists already`, 'use another file name, or move the file away');
  }
  let directory = '';
  try {
    directory = mkdtempSync(join(dirname(file), '.new-key-'));
    const temporary = join(directory, 'key');
    await generate(temporary, file, comment, timeoutMs);
    // A link fails when the file exists, so a race cannot overwrite a key.
    linkSync(temporary, file);
    linkSync(`${temporary}.pub`, `${file}.pub`);
  } catch (error) {
    if (error instanceof OperationError) throw error;
    throw keyError(file, errorText(error), 'check that its directory exists and is writable');
  } finally {
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
  }
}

async function generate(temporary: string, file: string, comment: string, timeoutMs: number): Promise<void> {
  const argv = ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', temporary];
  const { failed, code, stderr, shortMessage } = await execa('ssh-keygen', argv, {
    stdin: 'ignore',
    reject: false,
    timeout: timerDelay(timeoutMs),
  });
  if (!failed) return;
  const missing = code === 'ENOENT';
  const why = missing ? 'the program ssh-keygen is not installed' : stderr?.trim() || shortMessage;
  throw keyError(
    file,
    why || 'ssh-keygen failed',
    missing ? 'apt-get install openssh-client' : 'check that its directory exists and is writable',
  );
}

function keyError(target: string, message: string, hint: string): OperationError {
  return new OperationError({ operation: 'create key', target, message, retryable: false, hint });
}
