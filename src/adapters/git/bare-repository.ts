/**
 * A bare repository of the cache, used through plumbing commands. Nothing is checked out, so no file of a patch can
 * run. Commands name the git directory explicitly, so that git never falls back from a broken repository to a
 * surrounding one.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type GitAnswer, type GitCommand, git, gitWithStatus } from './command.ts';
import { type ConnectionLimit, overSsh } from './connection-limit.ts';
import type { Address } from './fetch-url.ts';

/** Operation and target for errors, and the signal that cancels it. */
export interface GitContext {
  readonly operation: string;
  readonly target: string;
  readonly signal: AbortSignal;
}

/** Where to fetch from. */
export interface Remote {
  readonly address: Address;
  readonly connectionLimit: ConnectionLimit;
}

export interface RefAt {
  readonly revision: string;
  /** Commit time, seconds since the epoch. */
  readonly committedAt: number;
}

export type TreeMerge = { readonly tree: string } | { readonly files: readonly string[] };

export interface NewCommit {
  readonly tree: string;
  readonly parents: readonly string[];
  readonly message: string;
  /** Seconds since the epoch. All commit data is given, so the same merge yields the same commit everywhere. */
  readonly committedAt: number;
}

const LOCAL_HINT = 'the repository is recreated automatically; check the free space in the state directory';
const FETCH_OPTIONS = ['--quiet', '--no-recurse-submodules', '--no-auto-gc', '--no-write-fetch-head'];
const IDENTITY = { name: 'sos-ci', email: 'sos-ci@localhost' };
const REF_LINE = /^(\S+) ([0-9a-f]{40}) commit (-?\d+)$/;
/** Maximum number of conflicting files reported. */
const FILES_LIMIT = 20;

export class BareRepository {
  readonly directory: string;
  readonly #environment: Readonly<Record<string, string>>;

  /** @param environment for git and the ssh that it starts */
  constructor(directory: string, environment: Readonly<Record<string, string>>) {
    this.directory = directory;
    this.#environment = { ...environment, GIT_DIR: directory };
  }

  /** Initializes the repository in an existing empty directory. */
  async create(context: GitContext): Promise<void> {
    await this.#local(context, ['init', '--quiet', '--bare', '--template=', '--initial-branch=none']);
  }

  /** A missing ref fails the whole fetch. Tags on the fetched history are included. */
  async fetch(context: GitContext, remote: Remote, refspecs: readonly string[]): Promise<void> {
    await this.#fetch(this.#command(context), remote, ['fetch', ...FETCH_OPTIONS], refspecs);
  }

  /**
   * Fetches as a trial: writes nothing to the repository.
   * @param check whether git checks the objects, as `fetch` always does
   * @param scratch a new directory for the objects, deleted afterwards
   */
  async tryFetch(
    context: GitContext,
    remote: Remote,
    refspecs: readonly string[],
    check: boolean,
    scratch: string,
  ): Promise<void> {
    const command = this.#command(context);
    const environment = { ...command.environment, GIT_OBJECT_DIRECTORY: scratch };
    const options = ['-c', `fetch.fsckObjects=${check}`, 'fetch', '--dry-run', ...FETCH_OPTIONS];
    try {
      await mkdir(join(scratch, 'info'), { recursive: true, mode: 0o700 });
      await writeFile(join(scratch, 'info', 'alternates'), `${this.objects}\n`);
      await this.#fetch({ ...command, environment }, remote, options, refspecs);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  /** Which of these refs the remote has. */
  async remoteRefs(
    context: GitContext,
    { address, connectionLimit }: Remote,
    refs: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const listRefs = {
      ...this.#command(context),
      // Outside the repository, whose integrity is in question.
      cwd: '/',
      environment: { ...this.#environment, GIT_DIR: '/dev/null' },
      protocol: address.protocol,
      hint: `as the user of the daemon, try: git ls-remote ${address.url}`,
      argv: ['ls-remote', '--quiet', '--', address.url, ...refs],
    };
    const listed = await overSsh(connectionLimit, listRefs, () => git(listRefs));
    return new Set(listed.split('\n').map((line) => line.slice(line.indexOf('\t') + 1)));
  }

  /** All refs with these names or prefixes that point to commits. */
  async refs(context: GitContext, patterns: readonly string[]): Promise<ReadonlyMap<string, RefAt>> {
    const format = '--format=%(refname) %(objectname) %(objecttype) %(committerdate:unix)';
    const listed = await this.#local(context, ['for-each-ref', format, '--', ...patterns]);
    const refs = new Map<string, RefAt>();
    for (const line of listed.split('\n')) {
      const [, ref = '', revision = '', at = ''] = REF_LINE.exec(line) ?? [];
      if (ref !== '') refs.set(ref, { revision, committedAt: Number(at) });
    }
    return refs;
  }

  /** Tags and their targets, in the format of git's packed-refs file. */
  tags(context: GitContext): Promise<string> {
    return this.#local(context, ['for-each-ref', '--format=%(objectname) %(refname)', '--', 'refs/tags/']);
  }

  /** Null when they share no history. */
  async mergeBase(context: GitContext, one: string, other: string): Promise<string | null> {
    const { status, stdout } = await this.#localWithStatus(context, ['merge-base', one, other], [1]);
    return status === 0 ? (stdout.split('\n')[0] ?? null) : null;
  }

  async mergeTree(context: GitContext, ours: string, theirs: string): Promise<TreeMerge> {
    const options = ['--write-tree', '--name-only', '--no-messages', '-z'];
    const { status, stdout, cut } = await this.#localWithStatus(
      context,
      ['merge-tree', ...options, ours, theirs],
      [1],
    );
    const [tree = '', ...files] = stdout.split('\0');
    // Only conflicts produce long output. Truncated output ends in the middle of a name.
    if (cut) files.pop();
    if (status === 0) return { tree };
    return { files: files.filter((file) => file !== '').slice(0, FILES_LIMIT) };
  }

  async commit(context: GitContext, { tree, parents, message, committedAt }: NewCommit): Promise<string> {
    const date = `@${committedAt} +0000`;
    const identity = {
      GIT_AUTHOR_NAME: IDENTITY.name,
      GIT_AUTHOR_EMAIL: IDENTITY.email,
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_NAME: IDENTITY.name,
      GIT_COMMITTER_EMAIL: IDENTITY.email,
      GIT_COMMITTER_DATE: date,
    };
    const parentOptions = parents.flatMap((parent) => ['-p', parent]);
    const command = this.#command(context);
    return git({
      ...command,
      environment: { ...command.environment, ...identity },
      argv: ['commit-tree', ...parentOptions, tree],
      input: message,
    });
  }

  /** Atomic. Null deletes the ref. */
  async setRefs(context: GitContext, refs: ReadonlyMap<string, string | null>): Promise<void> {
    if (refs.size === 0) return;
    const lines = [...refs].map(([ref, at]) => (at === null ? `delete ${ref}\n` : `update ${ref} ${at}\n`));
    await git({ ...this.#command(context), argv: ['update-ref', '--stdin'], input: lines.join('') });
  }

  /** Those of the commits that exist in this repository. */
  async known(context: GitContext, revisions: readonly string[]): Promise<readonly string[]> {
    if (revisions.length === 0) return [];
    const input = revisions.map((revision) => `${revision}^{commit}\n`).join('');
    const listed = await git({
      ...this.#command(context),
      argv: ['cat-file', '--batch-check=%(objectname)'],
      input,
    });
    return listed.split('\n').filter((line) => revisions.includes(line));
  }

  /** Reads every file of the commit. */
  async readAll(context: GitContext, revision: string): Promise<void> {
    await this.#local(context, ['archive', '--format=tar', '--output=/dev/null', revision]);
  }

  /** Bundles these refs without the receiver's commits. Never empty: always includes `revision`. */
  async bundle(
    context: GitContext,
    file: string,
    revision: string,
    refs: readonly string[],
    haves: readonly string[],
  ): Promise<void> {
    const without = haves.map((have) => `^${have}`);
    const left = await this.#local(context, ['rev-list', '--count', '--max-count=1', revision, ...without]);
    // The receiver already has the commit: exclude only its parents.
    const limits = left === '0' ? [`^${revision}^@`] : without;
    await this.#local(context, ['bundle', 'create', '--quiet', file, ...refs, ...limits]);
  }

  /** Packs everything into one pack and drops unreachable objects. */
  async pack(context: GitContext): Promise<void> {
    await this.#local(context, ['gc', '--quiet', '--prune=now']);
  }

  get objects(): string {
    return join(this.directory, 'objects');
  }

  async #fetch(
    command: Omit<GitCommand, 'argv'>,
    { address, connectionLimit }: Remote,
    options: readonly string[],
    refspecs: readonly string[],
  ): Promise<void> {
    const fetch = {
      ...command,
      protocol: address.protocol,
      hint: `as the user of the daemon, try: git ls-remote ${address.url}`,
      argv: [...options, '--', address.url, ...refspecs],
    };
    await overSsh(connectionLimit, fetch, () => git(fetch));
  }

  async #local(context: GitContext, argv: readonly string[]): Promise<string> {
    return git({ ...this.#command(context), argv });
  }

  #localWithStatus(
    context: GitContext,
    argv: readonly string[],
    validStatuses: readonly number[],
  ): Promise<GitAnswer> {
    return gitWithStatus({ ...this.#command(context), argv }, validStatuses);
  }

  #command(context: GitContext): Omit<GitCommand, 'argv'> {
    const environment = this.#environment;
    return { ...context, cwd: this.directory, protocol: null, hint: LOCAL_HINT, environment };
  }
}
