/**
 * A new ed25519 key in a file of its own, made by OpenSSH's own program: ssh2's generator makes one in some two hundred that
 * nobody can read. It is made elsewhere and put in its place whole, and a file that is there is never written to.
 */
import { existsSync, linkSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { errorText, OperationError } from '../../errors.ts';
import { timerDelay } from '../../timer.ts';

/** Leaves FILE (mode 600) and FILE.pub. @param timeoutMs for the program */
export async function makeKey(file: string, comment: string, timeoutMs: number): Promise<void> {
  for (const path of [file, `${file}.pub`]) {
    if (existsSync(path))
      throw keyError(file, `${path} is there already`, 'name another file, or move it away');
  }
  let folder = '';
  try {
    folder = mkdtempSync(join(dirname(file), '.new-key-'));
    const made = join(folder, 'key');
    await generate(made, file, comment, timeoutMs);
    // A link fails where there is a file: nobody's key is lost to a race.
    linkSync(made, file);
    linkSync(`${made}.pub`, `${file}.pub`);
  } catch (error) {
    if (error instanceof OperationError) throw error;
    throw keyError(file, errorText(error), 'is its folder there and writable?');
  } finally {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  }
}

async function generate(made: string, file: string, comment: string, timeoutMs: number): Promise<void> {
  const argv = ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', made];
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
    missing ? 'apt-get install openssh-client' : 'is its folder there and writable?',
  );
}

function keyError(target: string, message: string, hint: string): OperationError {
  return new OperationError({ operation: 'make key', target, message, retryable: false, hint });
}
