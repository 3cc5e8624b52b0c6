/** The installed git version. Merging without a work tree needs 2.38. */
import { tmpdir } from 'node:os';
import { git } from './command.ts';

/** First version with `git merge-tree --write-tree`. */
const NEEDED = [2, 38] as const;

export interface GitVersion {
  /** As printed by git. */
  readonly text: string;
  readonly enough: boolean;
  /** `2.38`. */
  readonly needed: string;
}

/** @throws OperationError when git is not installed */
export async function gitVersion(signal: AbortSignal): Promise<GitVersion> {
  const text = await git({
    operation: 'read git version',
    target: 'git',
    hint: 'apt-get install git',
    cwd: tmpdir(),
    argv: ['version'],
    protocol: null,
    environment: {},
    signal,
  });
  const needed = NEEDED.join('.');
  const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(text) ?? [];
  const enough = Number(major) > NEEDED[0] || (Number(major) === NEEDED[0] && Number(minor) >= NEEDED[1]);
  return { text: text.slice(0, 100), enough, needed };
}
