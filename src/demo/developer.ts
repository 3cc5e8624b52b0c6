/**
 * The developer of the sample project: a clone, and the real git to commit and push over SSH. The clone has a commit-msg hook
 * like Gerrit's, so that a user can continue by hand.
 */
import { spawn } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gitEnvironment } from './gerrit/repository.ts';
import type { Files, SampleChange } from './sample-project.ts';
import { DemoFailure } from './wait.ts';

const HOOK = `#!/bin/sh
# Adds a Change-Id to the commit message, like Gerrit's own hook.
grep -q '^Change-Id: I' "$1" && exit 0
id=$(cat "$1" /proc/self/stat | git hash-object --stdin)
printf '\\nChange-Id: I%s\\n' "$id" >>"$1"
`;

export interface DeveloperOptions {
  readonly directory: string;
  readonly url: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
}

export class Developer {
  readonly directory: string;
  readonly #options: DeveloperOptions;
  readonly #files: Files;

  constructor(options: DeveloperOptions, files: Files) {
    this.directory = options.directory;
    this.#options = options;
    this.#files = files;
  }

  /** Pushes the first commit of an empty project, bypassing review. */
  static async pushInitialCommit(options: DeveloperOptions, files: Files): Promise<void> {
    const developer = new Developer(options, files);
    await developer.#setUp();
    for (const [name, text] of Object.entries(files)) {
      const mode = name.endsWith('.sh') ? 0o755 : 0o644;
      await writeFile(path.join(options.directory, name), text, { mode });
    }
    await developer.#git('add', '--all');
    await developer.#git('commit', '--quiet', '-m', 'Begin');
    await developer.#git('push', '--quiet', 'origin', 'HEAD:refs/heads/master');
  }

  async clone(): Promise<void> {
    await mkdir(this.directory);
    await this.#setUp();
    await this.#git('fetch', '--quiet', 'origin');
    await this.resetToBranch();
  }

  async #setUp(): Promise<void> {
    const { directory, url, keyFile, knownHostsFile } = this.#options;
    const settings = [
      '-F',
      '/dev/null',
      '-i',
      shellQuoted(keyFile),
      `-o UserKnownHostsFile=${shellQuoted(knownHostsFile)}`,
    ];
    const ssh = ['ssh', ...settings, '-o IdentitiesOnly=yes', '-o BatchMode=yes'].join(' ');
    await this.#git('init', '--quiet', '--initial-branch=master');
    for (const [name, value] of [
      ['user.name', 'Dee Veloper'],
      ['user.email', 'dev@example.org'],
      ['core.sshCommand', ssh],
      ['remote.origin.url', url],
      ['remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*'],
      ['remote.origin.push', 'HEAD:refs/for/master'],
    ] as const) {
      await this.#git('config', name, value);
    }
    const hook = path.join(directory, '.git', 'hooks', 'commit-msg');
    await mkdir(path.dirname(hook), { recursive: true });
    await writeFile(hook, HOOK);
    await chmod(hook, 0o755);
  }

  /** Resets the clone to the branch in Gerrit. */
  async resetToBranch(): Promise<void> {
    await this.#git('checkout', '--quiet', '-B', 'master', 'origin/master');
  }

  /** Pushes the change for review, based on the branch. */
  async push(change: SampleChange): Promise<void> {
    await this.resetToBranch();
    for (const [name, text] of Object.entries(change.edit(this.#files))) {
      await writeFile(path.join(this.directory, name), text);
    }
    await this.#git('commit', '--quiet', '--all', '-m', change.subject);
    await this.#git('push', '--quiet', 'origin');
  }

  #git(...argv: string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn('git', argv, {
        cwd: this.directory,
        env: gitEnvironment(),
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (stderr.length < 4096) stderr += text;
      });
      child.on('error', reject);
      child.on('close', (code) => {
        if (code === 0) resolve();
        else reject(new DemoFailure(`git ${argv[0]} exited ${code}: ${stderr.trim()}`));
      });
    });
  }
}

/** A shell parses core.sshCommand, and a temporary directory may have any name. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
