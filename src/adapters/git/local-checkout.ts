/**
 * Checks out the tested code into a local server: merged trees from the cache, or an uploaded patchset directly from
 * Gerrit. Executes no hooks, filters or submodules. Trees are created in a temporary directory and renamed, so an
 * interrupted fetch leaves no partial tree. The history is included, because builds read tags and versions from it.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EffectOf, Source } from '../../engine/ports/adapters.ts';
import { errorText, OperationError } from '../../errors.ts';
import type { MergedTree, Patchset, Server } from '../../machines/model/domain.ts';
import { accountOfServer, giveTree } from '../run/account.ts';
import { assertInstalled, type GitCommand, git } from './command.ts';
import { overSsh } from './connection-limit.ts';
import {
  type Address,
  addressOf,
  branchRef,
  checkPatchset,
  checkRevision,
  type FetchFrom,
  otherRevision,
} from './fetch-url.ts';
import type { GitCache } from './git-cache.ts';
import { withTree } from './merged-tree.ts';
import { type SshIdentity, sshCommand } from './ssh-command.ts';
import { makeWorkTree } from './work-tree.ts';

export interface GitSourceOptions {
  readonly gerrit: FetchFrom & SshIdentity;
  readonly cache: GitCache;
}

const TREE = 'tree';
const DEPENDENCIES = 'dependencies';
const FETCHED = 'refs/sos-ci/patchset';
const TEMPORARY = /^fetch-[0-9a-f]{16}$/;

type Run = Omit<GitCommand, 'argv' | 'protocol' | 'hint'>;

export class GitSource implements Source {
  readonly #gerrit: FetchFrom & SshIdentity;
  readonly #cache: GitCache;

  constructor(options: GitSourceOptions) {
    this.#gerrit = options.gerrit;
    this.#cache = options.cache;
  }

  async fetch(request: EffectOf<'fetchPatchset'>, signal: AbortSignal): Promise<string> {
    const { server, patchset, trees } = request;
    checkPatchset(patchset);
    for (const tree of trees) checkTree(tree, this.#gerrit);
    const target = `${patchset.project} ${patchset.ref}`;
    const temporary = join(server.address, `fetch-${randomBytes(8).toString('hex')}`);
    try {
      await removeLeftovers(server.address);
      await mkdir(join(temporary, DEPENDENCIES), { recursive: true, mode: 0o700 });
      const run = { operation: 'fetch patchset', target, environment: this.#environment(server), signal };
      const revision =
        trees.length === 0
          ? await this.#uploaded({ ...run, cwd: join(temporary, TREE) }, patchset)
          : await this.#merged(run, temporary, trees);
      const account = await accountOfServer(server.address);
      for (const directory of [TREE, DEPENDENCIES]) {
        if (account !== null) await giveTree(join(temporary, directory), account, signal);
        await rm(join(server.address, directory), { recursive: true, force: true });
        await rename(join(temporary, directory), join(server.address, directory));
      }
      return revision;
    } catch (error) {
      throw isFileError(error) ? unwritable(target, error) : error;
    } finally {
      await discard(temporary);
    }
  }

  /** The first tree becomes the work tree; the others go to the dependencies directory, by project name. */
  async #merged(run: Omit<Run, 'cwd'>, temporary: string, trees: readonly MergedTree[]): Promise<string> {
    const [own, ...others] = trees;
    if (own === undefined) throw new Error('no tree');
    refuseNested(run.target, others);
    const make = (tree: MergedTree, directory: string) =>
      withTree(this.#cache, run, tree, async (repository) => {
        // Removes the leftovers of a failed attempt.
        await rm(directory, { recursive: true, force: true });
        await makeWorkTree(repository, run, directory, tree.revision, run.environment);
      });
    const made = [
      make(own, join(temporary, TREE)),
      ...others.map((tree) => make(tree, join(temporary, DEPENDENCIES, ...tree.project.split('/')))),
    ];
    // Waits for all, so that none continues in the background.
    await Promise.allSettled(made);
    await Promise.all(made);
    return own.revision;
  }

  async #uploaded(run: Run, patchset: Patchset): Promise<string> {
    const address = addressOf(this.#gerrit, patchset.project);
    if (address.protocol === 'ssh') await assertInstalled('ssh', run.target);
    await mkdir(run.cwd, { mode: 0o700 });
    await this.#make(run, address, patchset);
    return patchset.revision;
  }

  async #make(run: Run, address: Address, patchset: Patchset): Promise<void> {
    const local = { ...run, protocol: null, hint: 'check that the state directory has free space' };
    await git({ ...local, argv: ['init', '--quiet', '--template=', '.'] });
    const fetch = {
      ...run,
      protocol: address.protocol,
      hint: `as the user of the daemon, try: git ls-remote ${address.url} ${patchset.ref}`,
      argv: fetchArguments(address.url, patchset.ref),
    };
    await overSsh(this.#cache.connectionLimit, fetch, () => git(fetch));
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

  /** The mark identifies git processes of a dead daemon, so that removing the server also ends them. */
  #environment(server: Server): Readonly<Record<string, string>> {
    return { SOS_CI_SERVER: server.id, GIT_SSH_COMMAND: sshCommand(this.#gerrit) };
  }
}

function fetchArguments(url: string, ref: string): readonly string[] {
  const options = ['--quiet', '--no-recurse-submodules', '--no-auto-gc'];
  return ['fetch', ...options, '--', url, `+${ref}:${FETCHED}`];
}

/** Removes the leftovers of interrupted fetches; a git still running in one of them fails. */
async function removeLeftovers(address: string): Promise<void> {
  for (const name of await readdir(address)) {
    if (TEMPORARY.test(name)) await discard(join(address, name));
  }
}

/** The next fetch removes what remains, or the removal of the server does. No tree is ever created from it. */
async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {});
}

function checkTree({ project, branch, revision }: MergedTree, gerrit: FetchFrom): void {
  addressOf(gerrit, project);
  branchRef(project, branch);
  checkRevision(revision);
}

/** Throws when one project's path lies inside another project's tree. */
function refuseNested(target: string, trees: readonly MergedTree[]): void {
  const inside = trees.find(({ project }) => trees.some((other) => project.startsWith(`${other.project}/`)));
  if (inside === undefined) return;
  throw new OperationError({
    operation: 'fetch patchset',
    target,
    message: `${inside.project} would be inside the tree of another required project`,
    retryable: false,
    hint: 'such a pair of projects cannot be tested together',
  });
}

/** All other errors are OperationErrors or bugs. */
function isFileError(error: unknown): boolean {
  return error instanceof Error && !(error instanceof OperationError) && 'code' in error;
}

function unwritable(target: string, cause: unknown): OperationError {
  return new OperationError({
    operation: 'fetch patchset',
    target,
    message: errorText(cause),
    retryable: true,
    hint: 'check that the state directory has free space, and that the daemon owns it',
    cause,
  });
}
