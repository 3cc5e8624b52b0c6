/**
 * Removes directories that untrusted code has filled: links are removed and not followed, other file systems are not
 * entered, and read-only directories and those deeper than the path limit are removed as well.
 */
import { lstat } from 'node:fs/promises';
import { execa } from 'execa';
import { OperationError, throwIfAborted } from '../../errors.ts';
import { timerDelay } from '../../timer.ts';

const NEVER = new AbortController().signal;

/** Succeeds for missing paths. Removes a link itself, not its target. */
export async function removeTrees(
  paths: readonly string[],
  timeoutMs: number,
  signal: AbortSignal = NEVER,
): Promise<void> {
  if (paths.length === 0) return;
  const limit = performance.now() + timeoutMs;
  const leftMs = () => Math.max(limit - performance.now(), 1);
  const rm = () => run('rm', ['-rf', '--one-file-system', '--', ...paths], leftMs(), signal);
  if ((await rm()) === null) return;
  // chmod follows a link given as an operand, but none that it finds below.
  const directories = await onlyDirectories(paths);
  if (directories.length > 0) await run('chmod', ['-R', 'u+rwX', '--', ...directories], leftMs(), signal);
  const problem = await rm();
  if (problem === null) return;
  throw new OperationError({
    operation: 'remove directory',
    target: paths.join(' '),
    message: problem,
    retryable: true,
    hint: 'look for a mount, an immutable file, or files of another user in it',
  });
}

async function onlyDirectories(paths: readonly string[]): Promise<readonly string[]> {
  const directories: string[] = [];
  for (const path of paths) {
    const found = await lstat(path).catch(() => null);
    if (found?.isDirectory()) directories.push(path);
  }
  return directories;
}

/** Null: success. */
async function run(
  program: string,
  argv: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | null> {
  throwIfAborted(signal, 'remove directory', argv.at(-1) ?? '');
  const result = await execa(program, argv, {
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    maxBuffer: { stderr: 1024 * 1024 },
    timeout: timerDelay(timeoutMs),
    cancelSignal: signal,
    extendEnv: false,
    env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
  });
  if (!result.failed) return null;
  throwIfAborted(signal, 'remove directory', argv.at(-1) ?? '');
  const [detail = ''] = (result.stderr ?? '').split('\n');
  return detail === '' ? (result.shortMessage ?? `${program} failed`) : detail;
}
