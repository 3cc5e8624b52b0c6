/** A developer's clone of one project: makes commits, pushes them for review, and amends them to new patchsets. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gitEnvironment } from '../../../src/demo/gerrit/repository.ts';

export interface CheckoutOptions {
  readonly directory: string;
  readonly url: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
}

export interface Push {
  readonly files?: Readonly<Record<string, string>>;
  readonly subject?: string;
  /** The rest of the commit message: footers such as Depends-On. */
  readonly footer?: string;
  /** The parent commit; by default the tip of the branch in Gerrit. */
  readonly base?: string;
  /** Push options that follow refs/for/master, such as `%wip`. */
  readonly options?: string;
}

export class Checkout {
  readonly directory: string;
  readonly #options: CheckoutOptions;
  #pushes = 0;

  constructor(options: CheckoutOptions) {
    this.#options = options;
    this.directory = options.directory;
  }

  async make(): Promise<void> {
    mkdirSync(this.directory, { recursive: true });
    await this.git('init', '--quiet', '--initial-branch=master');
    await this.git('remote', 'add', 'origin', this.#options.url);
  }

  /** Pushes the branch's first commit without review, which the account must be allowed to do. */
  async begin(files: Readonly<Record<string, string>>): Promise<void> {
    this.#write(files);
    await this.git('add', '--all');
    await this.git('commit', '--quiet', '--message', 'Begin');
    await this.git('push', '--quiet', 'origin', 'HEAD:refs/heads/master');
  }

  /** Pushes one commit for review; returns the change's number. */
  async push(push: Push = {}): Promise<number> {
    await this.commit(push);
    return this.send(push.options);
  }

  /** Makes the commit that `send` pushes. */
  async commit(push: Push = {}): Promise<void> {
    this.#pushes += 1;
    const { files = { README: `change ${this.#pushes}\n` }, subject = `Change ${this.#pushes}` } = push;
    await this.git('checkout', '--quiet', '--detach', push.base ?? (await this.tip()));
    this.#write(files);
    await this.git('add', '--all');
    const footer = `${push.footer === undefined ? '' : `${push.footer}\n`}Change-Id: ${newChangeId()}\n`;
    await this.git('commit', '--quiet', '--allow-empty', '--message', `${subject}\n\n${footer}`);
  }

  async send(options = ''): Promise<number> {
    const output = await this.git('push', 'origin', `HEAD:refs/for/master${options}`);
    const number = /\/\+\/(\d+) /.exec(output)?.[1];
    if (number === undefined) throw new Error(`the push made no change: ${output}`);
    return Number(number);
  }

  /** The next patchset of the change that was pushed last. */
  async amend(files: Readonly<Record<string, string>>, footer = ''): Promise<number> {
    this.#write(files);
    await this.git('add', '--all');
    const message = await this.git('log', '-1', '--format=%B');
    const amended = message.replace(/^Change-Id:/m, footer === '' ? 'Change-Id:' : `${footer}\nChange-Id:`);
    await this.git('commit', '--quiet', '--amend', '--message', amended);
    return this.send();
  }

  /** SHA-1 of the branch's tip in Gerrit. */
  async tip(): Promise<string> {
    await this.git('fetch', '--quiet', 'origin', 'master');
    return this.revision('FETCH_HEAD');
  }

  /** A file of the commit that is checked out. */
  show(name: string): Promise<string> {
    return this.git('show', `HEAD:${name}`);
  }

  /** SHA-1 of the commit that is checked out, or of the revision `name`. */
  async revision(name = 'HEAD'): Promise<string> {
    return (await this.git('rev-parse', name)).trim();
  }

  git(...argv: string[]): Promise<string> {
    const { keyFile, knownHostsFile } = this.#options;
    const ssh = ['ssh', '-F', '/dev/null', '-i', keyFile, '-o', `UserKnownHostsFile=${knownHostsFile}`];
    const env = gitEnvironment({
      GIT_SSH_COMMAND: [...ssh, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'].join(' '),
      GIT_AUTHOR_NAME: 'Dee Veloper',
      GIT_AUTHOR_EMAIL: 'dev@example.org',
      GIT_COMMITTER_NAME: 'Dee Veloper',
      GIT_COMMITTER_EMAIL: 'dev@example.org',
    });
    return new Promise((resolve, reject) => {
      execFile('git', argv, { cwd: this.directory, env, timeout: 60_000 }, (error, stdout, stderr) =>
        error === null ? resolve(stdout + stderr) : reject(new Error(`git ${argv.join(' ')}: ${stderr}`)),
      );
    });
  }

  #write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      const file = join(this.directory, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
      if (name.endsWith('.sh')) chmodSync(file, 0o755);
    }
  }
}

function newChangeId(): string {
  return `I${randomBytes(20).toString('hex')}`;
}
