/** Projects on disk with patchsets as Gerrit stores them, a cache, and the directory of a server. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ConnectionLimit } from '../../../src/adapters/git/connection-limit.ts';
import { GitCache } from '../../../src/adapters/git/git-cache.ts';
import { GitSource } from '../../../src/adapters/git/local-checkout.ts';
import type { GitCacheConfig } from '../../../src/config/config.ts';
import type { EffectOf } from '../../../src/engine/ports/adapters.ts';
import type { Dependency, MergedTree, Patchset, Server } from '../../../src/machines/model/domain.ts';
import { realClock } from '../gerrit/site.ts';

const GERRIT = {
  host: 'review.example.org',
  port: 29418,
  user: 'acme-ci',
  keyFile: "/etc/a key's/id 100%",
  knownHostsFile: '/etc/known hosts',
  connectTimeoutMs: 20_000,
};

const LIMITS: GitCacheConfig = {
  maxCacheBytes: 1024 ** 3,
  maxProjects: 10,
  repackThreshold: 50,
  cloneTimeoutMs: 60_000,
  recloneIntervalMs: 0,
};

export const CINDER = 'openstack/cinder';

export class GitFixture {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'sos-ci-git-')));
  readonly work = join(this.root, 'work');
  readonly bare = this.project(CINDER);
  readonly stateDir = join(this.root, 'state');
  readonly server: Server = {
    id: 'a'.repeat(16),
    name: 's',
    address: join(this.root, 'server'),
    provider: 'local',
  };
  readonly path = process.env.PATH ?? '';
  readonly #caches: GitCache[] = [];
  changes = 0;

  constructor() {
    for (const directory of ['home', 'tmp', 'tree'])
      mkdirSync(join(this.server.address, directory), { recursive: true });
    mkdirSync(this.work);
    this.git(this.work, 'init', '--quiet', '--template=', '.');
  }

  /** A repository like those of Gerrit, initially empty. */
  project(name: string): string {
    const bare = join(this.root, 'git', name);
    if (existsSync(join(bare, 'HEAD'))) return bare;
    mkdirSync(bare, { recursive: true });
    this.git(bare, 'init', '--quiet', '--bare', '--template=', '.');
    return bare;
  }

  cache(
    limits: Partial<GitCacheConfig> = {},
    fetchUrl: string | null = `file://${this.root}/git/{project}`,
  ): GitCache {
    const gerrit = { ...GERRIT, fetchUrl };
    const cache = new GitCache({
      stateDir: this.stateDir,
      gerrit,
      clock: realClock,
      connectionLimit: new ConnectionLimit({
        freeConnection: () => Promise.resolve(false),
        onRefused: () => {},
        onChange: () => {},
      }),
      limits: { ...LIMITS, ...limits },
    });
    this.#caches.push(cache);
    return cache;
  }

  source(fetchUrl: string | null = `file://${this.root}/git/{project}`, cache = this.cache()): GitSource {
    return new GitSource({ gerrit: { ...GERRIT, fetchUrl }, cache });
  }

  request(patchset: Patchset, trees: readonly MergedTree[] = []): EffectOf<'fetchPatchset'> {
    return { type: 'fetchPatchset', key: 'f', server: this.server, patchset, trees, timeoutMs: 60_000 };
  }

  /** Commits the work directory as this patchset. */
  patchset(number: number): Patchset {
    this.git(this.work, 'add', '--all', '--force', '.');
    this.git(this.work, 'commit', '--quiet', '--allow-empty', '--message', `patchset ${number}`);
    const ref = `refs/changes/01/1/${number}`;
    this.git(this.work, 'push', '--quiet', this.bare, `HEAD:${ref}`);
    return this.#patchset(CINDER, 'master', 1, number, this.git(this.work, 'rev-parse', 'HEAD'));
  }

  /** Commits these files on the branch; null deletes a file. Returns the new tip. */
  land(project: string, files: Readonly<Record<string, string | null>>, branch = 'master'): string {
    const ref = `refs/heads/${branch}`;
    return this.#commit(project, ref, ref, files, 'landed');
  }

  tip(project: string, branch = 'master'): string {
    return this.git(this.project(project), 'rev-parse', `refs/heads/${branch}`);
  }

  /** A new change with one patchset; `on`: stacked on this commit instead of the tip. */
  upload(
    project: string,
    files: Readonly<Record<string, string | null>>,
    about: { readonly branch?: string; readonly on?: string; readonly message?: string } = {},
  ): Patchset {
    const { branch = 'master', message = 'uploaded' } = about;
    const on = about.on ?? `refs/heads/${branch}`;
    this.changes += 1;
    const change = 100 + this.changes;
    const revision = this.#commit(project, refOf(change, 1), on, files, message);
    return this.#patchset(project, branch, change, 1, revision);
  }

  git(cwd: string, ...argv: string[]): string {
    return this.#git(cwd, argv, '', {});
  }

  tree(...names: string[]): string {
    return join(this.server.address, 'tree', ...names);
  }

  held(): string | null {
    return existsSync(this.tree('.git')) ? this.git(this.tree(), 'rev-parse', 'HEAD') : null;
  }

  /** Puts a program first in PATH. */
  program(name: string, script: string): void {
    mkdirSync(join(this.root, 'bin'), { recursive: true });
    writeFileSync(join(this.root, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    process.env.PATH = `${join(this.root, 'bin')}${delimiter}${this.path}`;
  }

  async close(): Promise<void> {
    process.env.PATH = this.path;
    for (const cache of this.#caches) await cache.close();
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Creates a commit on top of `on` with one process, and points `ref` to it. */
  #commit(
    project: string,
    ref: string,
    on: string,
    files: Readonly<Record<string, string | null>>,
    message: string,
  ): string {
    const bare = this.project(project);
    const parent = on.startsWith('refs/') ? this.git(bare, 'for-each-ref', '--format=%(objectname)', on) : on;
    const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
    const stream = [
      `commit ${ref}\nmark :1\ncommitter t <t@example.org> now\n${data(message)}`,
      parent === '' ? '' : `from ${parent}\n`,
      ...Object.entries(files).map(([file, text]) =>
        text === null ? `D ${file}\n` : `M 100644 inline ${file}\n${data(text)}`,
      ),
      'get-mark :1\n',
    ].join('');
    return this.#git(bare, ['fast-import', '--quiet', '--force', '--date-format=now'], stream, {});
  }

  #patchset(project: string, branch: string, change: number, patchset: number, revision: string): Patchset {
    const ref = refOf(change, patchset);
    const about = { subject: 's', owner: '', url: '', topic: '' };
    return { project, branch, change, patchset, revision, ref, ...about };
  }

  #git(cwd: string, argv: readonly string[], input: string, env: Readonly<Record<string, string>>): string {
    const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'protocol.file.allow=always'];
    return execFileSync('git', [...who, ...argv], {
      cwd,
      encoding: 'utf8',
      input,
      env: { PATH: this.path, HOME: this.root, ...env },
    }).trim();
  }
}

function refOf(change: number, patchset: number): string {
  return `refs/changes/${String(change % 100).padStart(2, '0')}/${change}/${patchset}`;
}

export function dependency({ project, branch, change, patchset, revision, ref }: Patchset): Dependency {
  return { project, branch, change, patchset, revision, ref };
}
