/**
 * The account that runs a local server's commands. It owns the server's directory from its creation, so the account is
 * read from there, even after a restart with another configuration. Only root can switch to it.
 */
import { lchown, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationError } from '../../errors.ts';
import { errorCode } from './fs-error.ts';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const ACCOUNTS = '/etc/passwd';

/** @throws OperationError when this process may not switch to that account, or the account is root's */
export async function accountOf(user: string): Promise<Account> {
  if (process.getuid?.() !== 0)
    throw refused(
      user,
      'only root can run commands as another user',
      'run the daemon as root, or remove `user`',
    );
  const line = (await readFile(ACCOUNTS, 'utf8')).split('\n').find((entry) => entry.startsWith(`${user}:`));
  const [uid, gid] = (line ?? '').split(':').slice(2, 4).map(Number);
  if (uid === undefined || gid === undefined)
    throw refused(user, `there is no such account in ${ACCOUNTS}`, `create it: useradd --system ${user}`);
  if (uid === 0) throw refused(user, 'is root', 'use an unprivileged account');
  return { uid, gid };
}

/** Null: the server belongs to the daemon's own account, or is gone. */
export async function accountOfServer(directory: string): Promise<Account | null> {
  try {
    const { uid, gid } = await stat(directory);
    return uid === process.getuid?.() ? null : { uid, gid };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Changes the owner of a tree to the account. Changes links themselves, not their targets. No process of the account
 * may run meanwhile.
 */
export async function giveTree(path: string, account: Account, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) await giveTree(inner, account, signal);
    else await lchown(inner, account.uid, account.gid);
  }
  await lchown(path, account.uid, account.gid);
}

/**
 * The command that runs `argv` as the account with its groups. It cannot switch back, because it has no capability to.
 */
export function asAccount({ uid, gid }: Account, argv: readonly string[]): readonly string[] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--', ...argv];
}

function refused(user: string, message: string, hint: string): OperationError {
  return new OperationError({
    operation: 'use account',
    target: user,
    message: `${user}: ${message}`,
    retryable: false,
    hint,
  });
}
