/**
 * Copies the operator's script into a server's directory. Processes of an earlier stage may still run there and own
 * that directory, so each copy goes to a new one that the daemon owns, which they can neither write to nor replace.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OperationError } from '../../errors.ts';
import type { Stage } from '../../machines/model/domain.ts';
import type { ScriptSnapshot } from '../run/script-snapshot.ts';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** @returns the absolute path of the program's copy */
export async function copyScript(server: string, stage: Stage, script: ScriptSnapshot): Promise<string> {
  const directory = join(server, `script-${stage}-${randomBytes(4).toString('hex')}`);
  await mkdir(directory, { mode: 0o700 });
  const handle = await open(directory, DIRECTORY);
  try {
    const { uid, mode } = await handle.stat();
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0) throw replaced(directory);
    // The open handle still refers to this directory when another one replaces it.
    const root = `/proc/self/fd/${handle.fd}`;
    for (const { path, content, executable } of script.files) {
      await mkdir(join(root, dirname(path)), { recursive: true, mode: 0o755 });
      await writeFile(join(root, path), content, { flag: 'wx', mode: executable ? 0o755 : 0o644 });
    }
    // The server's own directory keeps other accounts out.
    await handle.chmod(0o755);
  } finally {
    await handle.close();
  }
  return join(directory, script.program);
}

function replaced(target: string): OperationError {
  return new OperationError({
    operation: 'copy script',
    target,
    message: 'a process of the job has replaced the directory for the script',
    retryable: true,
    hint: 'check which processes the previous stage leaves running',
  });
}
