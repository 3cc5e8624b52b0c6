/**
 * Writes an uploaded patchset with its history as a git bundle for a node, using a temporary repository. Nothing
 * fetched is executed.
 */
import { mkdir, rm } from 'node:fs/promises';
import { errorText, OperationError } from '../../errors.ts';
import type { Patchset } from '../../machines/model/domain.ts';
import { assertInstalled, git } from './command.ts';
import { type ConnectionLimit, overSsh } from './connection-limit.ts';
import { addressOf, checkPatchset, type FetchFrom, otherRevision } from './fetch-url.ts';
import { type SshIdentity, sshCommand } from './ssh-command.ts';
import { treeRef } from './tree-ref.ts';

/** Writes the bundle to `file`, atomically, with only the ref that `treeRef` names. */
export async function bundleUploaded(
  gerrit: FetchFrom & SshIdentity,
  connectionLimit: ConnectionLimit,
  patchset: Patchset,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  checkPatchset(patchset);
  const { url, protocol } = addressOf(gerrit, patchset.project);
  const target = `${patchset.project} ${patchset.ref}`;
  if (protocol === 'ssh') await assertInstalled('ssh', target);
  const cwd = `${file}.git`;
  const ref = treeRef(patchset);
  const environment = { GIT_SSH_COMMAND: sshCommand(gerrit) };
  const run = { operation: 'fetch patchset', target, cwd, environment, signal };
  const local = { ...run, protocol: null, hint: 'check that the state directory has free space' };
  await makeDirectory(cwd, target);
  try {
    await git({ ...local, argv: ['init', '--quiet', '--bare', '--template=', '.'] });
    const fetch = {
      ...run,
      protocol,
      hint: `as the user of the daemon, try: git ls-remote ${url} ${patchset.ref}`,
      argv: ['fetch', '--quiet', '--no-tags', '--no-auto-gc', '--', url, `+${patchset.ref}:${ref}`],
    };
    await overSsh(connectionLimit, fetch, () => git(fetch));
    const fetched = await git({ ...local, argv: ['rev-parse', '--verify', `${ref}^{commit}`] });
    if (fetched !== patchset.revision) throw otherRevision(target, patchset.revision, fetched);
    await git({ ...local, argv: ['bundle', 'create', '--quiet', file, ref] });
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

async function makeDirectory(path: string, target: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new OperationError({
      operation: 'fetch patchset',
      target,
      message: errorText(cause),
      retryable: true,
      hint: 'check that the state directory has free space, and that the daemon owns it',
      cause,
    });
  }
}
