/** Which git is installed here. Merging without a work tree needs 2.38. */
import { tmpdir } from 'node:os';
import { git } from './command.ts';

/** Major and minor from which on `git merge-tree --write-tree` is there. */
const NEEDED = [2, 38] as const;

export interface GitVersion {
  /** As it calls itself. */
  readonly text: string;
  readonly enough: boolean;
  /** `2.38`. */
  readonly needed: string;
}

/** @throws OperationError when there is none */
export async function gitVersion(signal: AbortSignal): Promise<GitVersion> {
  const text = await git({
    operation: 'ask git for its version',
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
