/**
 * Transfers the trees under test to a node: each as a git bundle that this host creates and sends over SFTP. The node
 * needs no access to Gerrit and gets no key, and it has exactly the commits that were merged here, with the same
 * SHA-1s.
 */
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EffectOf, Source } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import type { MergedTree, Patchset } from '../../machines/model/domain.ts';
import { fileError } from '../run/fs-error.ts';
import type { SshClient } from './client/client.ts';
import { runNodeScript, type ScriptResult } from './command.ts';
import { NodeFiles } from './files.ts';
import type { NodePool } from './node-pool.ts';
import { prepareDirectory } from './prepare.ts';

export interface BundleSourceOptions {
  readonly stateDir: string;
  readonly nodes: NodePool;
  /** Writes a tree with its history to a file, under the ref refs/sos-ci/trees/REVISION. */
  readonly bundleTree: (
    tree: MergedTree,
    file: string,
    haves: readonly string[],
    signal: AbortSignal,
  ) => Promise<void>;
  /** Does the same for a patchset as uploaded, without a merge. */
  readonly bundlePatchset: (patchset: Patchset, file: string, signal: AbortSignal) => Promise<void>;
}

/** A bundle on this host, and the path of its tree on the node. */
interface OutgoingBundle {
  readonly file: string;
  readonly number: number;
  readonly revision: string;
  /** Relative to the server's directory. */
  readonly path: string;
}

const SCRIPT = new URL('./unpack.sh', import.meta.url);
const NO_GIT = 69;
const PROJECT = /^[A-Za-z0-9][A-Za-z0-9._+-]*(?:\/[A-Za-z0-9][A-Za-z0-9._+-]*)*$/;
const REVISION = /^[0-9a-f]{40}$/;

export class BundleSource implements Source {
  readonly #options: BundleSourceOptions;
  readonly #outgoing: string;
  #swept: Promise<void> | null = null;

  constructor(options: BundleSourceOptions) {
    this.#options = options;
    this.#outgoing = join(options.stateDir, 'outgoing');
  }

  async fetch(request: EffectOf<'fetchPatchset'>, signal: AbortSignal): Promise<string> {
    const { server, patchset, trees, timeoutMs } = request;
    for (const tree of [patchset, ...trees]) checkTree(tree);
    const node = this.#options.nodes.get(server);
    const outgoing = join(this.#outgoing, createHash('sha256').update(server.id).digest('hex').slice(0, 32));
    try {
      await this.#prepare(outgoing);
      const bundles = await this.#pack(patchset, trees, outgoing, signal);
      const task = { operation: 'ship patchset', timeoutMs, signal };
      const { directory } = node.address;
      const { commandTimeoutMs } = node.config;
      await node.using(task, (connection, within) =>
        this.#ship(bundles, { connection, directory, id: server.id, timeoutMs, commandTimeoutMs }, within),
      );
      return trees[0]?.revision ?? patchset.revision;
    } finally {
      await rm(outgoing, { recursive: true, force: true });
    }
  }

  /** Removes bundles that a killed daemon left behind. */
  async #prepare(directory: string): Promise<void> {
    this.#swept ??= rm(this.#outgoing, { recursive: true, force: true }).catch((error: unknown) => {
      this.#swept = null;
      throw error;
    });
    try {
      await this.#swept;
      await rm(directory, { recursive: true, force: true });
      await mkdir(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fileError('ship patchset', directory, error);
    }
  }

  async #pack(
    patchset: Patchset,
    trees: readonly MergedTree[],
    directory: string,
    signal: AbortSignal,
  ): Promise<readonly OutgoingBundle[]> {
    if (trees.length === 0) {
      const { revision } = patchset;
      const file = join(directory, '0.bundle');
      await this.#options.bundlePatchset(patchset, file, signal);
      return [{ file, number: 0, revision, path: 'tree' }];
    }
    const bundles: OutgoingBundle[] = [];
    for (const [number, tree] of trees.entries()) {
      const { project, revision } = tree;
      const file = join(directory, `${number}.bundle`);
      await this.#options.bundleTree(tree, file, [], signal);
      bundles.push({ file, number, revision, path: number === 0 ? 'tree' : `dependencies/${project}` });
    }
    return bundles;
  }

  async #ship(bundles: readonly OutgoingBundle[], to: Destination, signal: AbortSignal): Promise<void> {
    const { connection, directory, id, timeoutMs, commandTimeoutMs } = to;
    const incoming = `${directory}/incoming`;
    await prepareDirectory(connection, directory, commandTimeoutMs, signal);
    await NodeFiles.using(connection, timeoutMs, signal, async (files) => {
      await files.makeDirectories(directory, incoming);
      for (const { file, number } of bundles) await files.putFile(file, `${incoming}/${number}.bundle`);
      const plan = bundles.map(({ number, revision, path }) => `${number} ${revision} ${path}\n`);
      await files.put(`${incoming}/plan`, plan.join(''));
      await files.put(`${incoming}/server`, `${id}\n`);
    });
    const command = { operation: 'unpack patchset', script: SCRIPT, args: [directory], timeoutMs };
    const answer = await runNodeScript(connection, command, signal);
    const wanted = bundles.map(({ revision, path }) => `${revision} ${path}\n`).join('');
    if (answer.status !== 0 || answer.output !== wanted) throw failure(connection.target, answer);
  }
}

interface Destination {
  readonly connection: SshClient;
  readonly directory: string;
  readonly id: string;
  readonly timeoutMs: number;
  readonly commandTimeoutMs: number;
}

/** The project and revision become fields of the plan and paths on the node. */
function checkTree({ project, revision }: Pick<MergedTree, 'project' | 'revision'>): void {
  if (!PROJECT.test(project) || project.includes('..'))
    throw refusal(project, 'this is not a valid project name');
  if (!REVISION.test(revision)) throw refusal(project, 'the revision of its tree is not a SHA-1');
}

function refusal(project: string, message: string): OperationError {
  return new OperationError({
    operation: 'ship patchset',
    target: project,
    message,
    retryable: false,
    hint: 'check the change in Gerrit',
  });
}

function failure(target: string, { status, output }: ScriptResult): OperationError {
  const missing = status === NO_GIT;
  const detail = output.trim().slice(-500);
  return new OperationError({
    operation: 'unpack patchset',
    target,
    message: missing ? 'the program git is not installed on the node' : `exit status ${status}: ${detail}`,
    retryable: !missing,
    hint: missing ? 'apt-get install git on the node' : 'check the free disk space on the node',
  });
}
