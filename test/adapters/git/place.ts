/** A project on disk with patchsets as Gerrit keeps them, and the directory of a server to fetch them to. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { GitSource } from '../../../src/adapters/git/source.ts';
import type { Patchset, Server } from '../../../src/machines/vocabulary.ts';

const GERRIT = {
  host: 'review.example.org',
  port: 29418,
  user: 'acme-ci',
  keyFile: "/etc/a key's/id 100%",
  knownHostsFile: '/etc/known hosts',
  connectTimeoutMs: 20_000,
  fetchUrl: null,
};

export class Place {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'sos-ci-git-')));
  readonly work = join(this.root, 'work');
  readonly bare = join(this.root, 'git', 'openstack', 'cinder');
  readonly server: Server = {
    id: 'a'.repeat(16),
    name: 's',
    address: join(this.root, 'server'),
    provider: 'local',
  };
  readonly path = process.env.PATH ?? '';

  constructor() {
    for (const folder of ['home', 'tmp', 'tree'])
      mkdirSync(join(this.server.address, folder), { recursive: true });
    mkdirSync(this.bare, { recursive: true });
    this.git(this.bare, 'init', '--quiet', '--bare', '.');
    mkdirSync(this.work);
    this.git(this.work, 'init', '--quiet', '.');
  }

  source(fetchUrl: string | null = `file://${this.root}/git/{project}`): GitSource {
    return new GitSource({ gerrit: { ...GERRIT, fetchUrl } });
  }

  /** Commits what is in the work folder as this patchset. */
  patchset(number: number): Patchset {
    this.git(this.work, 'add', '--all', '--force', '.');
    this.git(this.work, 'commit', '--quiet', '--allow-empty', '--message', `patchset ${number}`);
    const ref = `refs/changes/01/1/${number}`;
    this.git(this.work, 'push', '--quiet', this.bare, `HEAD:${ref}`);
    const revision = this.git(this.work, 'rev-parse', 'HEAD');
    const about = {
      project: 'openstack/cinder',
      branch: 'master',
      change: 1,
      patchset: number,
      subject: 's',
    };
    return { ...about, revision, ref, owner: '', url: '', topic: '' };
  }

  git(cwd: string, ...argv: string[]): string {
    const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'protocol.file.allow=always'];
    return execFileSync('git', [...who, ...argv], {
      cwd,
      encoding: 'utf8',
      env: { PATH: this.path, HOME: this.root },
    }).trim();
  }

  tree(...names: string[]): string {
    return join(this.server.address, 'tree', ...names);
  }

  held(): string | null {
    return existsSync(this.tree('.git')) ? this.git(this.tree(), 'rev-parse', 'HEAD') : null;
  }

  /** Puts a program in front of all others. */
  program(name: string, script: string): void {
    mkdirSync(join(this.root, 'bin'), { recursive: true });
    writeFileSync(join(this.root, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    process.env.PATH = `${join(this.root, 'bin')}${delimiter}${this.path}`;
  }

  close(): void {
    process.env.PATH = this.path;
    rmSync(this.root, { recursive: true, force: true });
  }
}
