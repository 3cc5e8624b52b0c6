/**
 * Removes a directory that strangers' code has filled: links are removed and not followed, other file systems are not
 * entered, and folders that were made read-only, or deeper than a path can be long, go as well.
 */
import { lstat } from 'node:fs/promises';
import { execa } from 'execa';
import { OperationError } from '../../errors.ts';
import { errorCode } from './file-error.ts';

/** Not there is success. A link is removed itself. */
export async function removeTree(path: string, timeoutMs: number): Promise<void> {
  const kind = await kindOf(path);
  if (kind === null) return;
  const rm = () => run('rm', ['-rf', '--one-file-system', '--', path], timeoutMs);
  let problem = await rm();
  if (problem === null) return;
  // chmod follows its operand when that is a link, and none that it meets below.
  if (kind === 'directory') await run('chmod', ['-R', 'u+rwX', '--', path], timeoutMs);
  problem = await rm();
  if (problem === null) return;
  throw new OperationError({
    operation: 'remove directory',
    target: path,
    message: problem,
    retryable: true,
    hint: 'look for a mount, an immutable file, or files of another user in it',
  });
}

async function kindOf(path: string): Promise<'directory' | 'other' | null> {
  try {
    return (await lstat(path)).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Null: it worked. */
async function run(program: string, argv: readonly string[], timeoutMs: number): Promise<string | null> {
  const result = await execa(program, argv, {
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    maxBuffer: { stderr: 1024 * 1024 },
    timeout: timeoutMs,
    extendEnv: false,
    env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
  });
  if (!result.failed) return null;
  const [said = ''] = (result.stderr ?? '').split('\n');
  return said === '' ? (result.shortMessage ?? `${program} failed`) : said;
}
