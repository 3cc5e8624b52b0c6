/**
 * Brings a patchset into a local server's work tree with git. Nothing of what is fetched is executed: no hook, no
 * filter, no submodule. The tree is made beside its place and put there whole, so a fetch that was cut off leaves no
 * half of one. The history comes with it, because builds look for tags and versions in it.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EffectOf, Source } from '../../engine/ports.ts';
import { errorText, OperationError } from '../../errors.ts';
import type { Patchset, Server } from '../../machines/vocabulary.ts';
import { type Address, addressOf, checkPatchset, type FetchFrom } from './address.ts';
import { assertInstalled, type GitCommand, git } from './command.ts';
import { type SshIdentity, sshCommand } from './ssh.ts';

export interface GitSourceOptions {
  readonly gerrit: FetchFrom & SshIdentity;
}

const FETCHED = 'refs/sos-ci/patchset';
const MAKING = /^fetch-[0-9a-f]{16}$/;

type Run = Omit<GitCommand, 'argv' | 'protocol' | 'hint'>;

export class GitSource implements Source {
  readonly #gerrit: FetchFrom & SshIdentity;

  constructor(options: GitSourceOptions) {
    this.#gerrit = options.gerrit;
  }

  async fetch({ server, patchset }: EffectOf<'fetchPatchset'>, signal: AbortSignal): Promise<string> {
    checkPatchset(patchset);
    const address = addressOf(this.#gerrit, patchset.project);
    const target = `${patchset.project} ${patchset.ref}`;
    if (address.protocol === 'ssh') await assertInstalled('ssh', target);
    const making = join(server.address, `fetch-${randomBytes(8).toString('hex')}`);
    try {
      await removeLeftovers(server.address);
      await mkdir(making, { mode: 0o700 });
      await this.#make(
        { operation: 'fetch patchset', target, cwd: making, environment: this.#environment(server), signal },
        address,
        patchset,
      );
      const tree = join(server.address, 'tree');
      await rm(tree, { recursive: true, force: true });
      await rename(making, tree);
      return patchset.revision;
    } catch (error) {
      await discard(making);
      throw isFileError(error) ? unwritable(target, error) : error;
    }
  }

  async #make(run: Run, address: Address, patchset: Patchset): Promise<void> {
    const local = { ...run, protocol: null, hint: 'see whether there is room in the state directory' };
    await git({ ...local, argv: ['init', '--quiet', '--template=', '.'] });
    await git({
      ...run,
      protocol: address.protocol,
      hint: `as the user of the daemon, try: git ls-remote ${address.url} ${patchset.ref}`,
      argv: fetchArguments(address.url, patchset.ref),
    });
    const fetched = await git({ ...local, argv: ['rev-parse', '--verify', `${FETCHED}^{commit}`] });
    if (fetched !== patchset.revision) throw otherRevision(run.target, patchset.revision, fetched);
    await git({
      ...local,
      argv: [
        'checkout',
        '--quiet',
        '--force',
        '--detach',
        '--no-recurse-submodules',
        patchset.revision,
        '--',
      ],
    });
  }

  /** The mark, so that a git of a daemon that died goes with the server at the latest. */
  #environment(server: Server): Readonly<Record<string, string>> {
    return { SOS_CI_SERVER: server.id, GIT_SSH_COMMAND: sshCommand(this.#gerrit) };
  }
}

function fetchArguments(url: string, ref: string): readonly string[] {
  const options = ['--quiet', '--no-tags', '--no-recurse-submodules', '--no-auto-gc'];
  return ['fetch', ...options, '--', url, `+${ref}:${FETCHED}`];
}

/** Of fetches that were cut off; a git that still works in one of them fails by it. */
async function removeLeftovers(address: string): Promise<void> {
  for (const name of await readdir(address)) {
    if (MAKING.test(name)) await discard(join(address, name));
  }
}

/** What can not be removed now goes with the next fetch, or with the server; no tree is ever made from it. */
async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {});
}

function otherRevision(target: string, wanted: string, fetched: string): OperationError {
  return new OperationError({
    operation: 'fetch patchset',
    target,
    message: `Gerrit said ${wanted}, the ref holds ${fetched}`,
    retryable: false,
    hint: 'see whether gerrit.fetchUrl names the same Gerrit, or a mirror that is behind',
  });
}

/** Everything else is an OperationError already, or a mistake in this program. */
function isFileError(error: unknown): boolean {
  return error instanceof Error && !(error instanceof OperationError) && 'code' in error;
}

function unwritable(target: string, cause: unknown): OperationError {
  return new OperationError({
    operation: 'fetch patchset',
    target,
    message: errorText(cause),
    retryable: true,
    hint: 'see whether there is room in the state directory, and whether the daemon owns it',
    cause,
  });
}
