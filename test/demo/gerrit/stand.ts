/**
 * An embedded Gerrit with four people, and the real git and ssh clients to talk to it. Everything lies in one
 * temporary directory, which goes when the stand is closed.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EmbeddedGerrit, type NewAccount } from '../../../src/demo/gerrit/embedded-gerrit.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { gitEnvironment } from '../../../src/demo/gerrit/repository.ts';

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const PEOPLE: readonly NewAccount[] = [
  { username: 'dev', labels: { 'Code-Review': [-1, 1] } },
  { username: 'zuul', mayStream: true, labels: { Verified: [-2, 2] } },
  { username: 'acme-ci', mayStream: true, labels: { Verified: [-2, 2], 'Code-Review': [-1, 1] } },
  {
    username: 'admin',
    name: 'Administrator',
    email: 'admin@example.com',
    admin: true,
    labels: { 'Code-Review': [-2, 2] },
  },
];

export class Stand {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'sos-ci-stand-'));
  readonly gerrit: EmbeddedGerrit;
  readonly #running = new Set<() => void>();

  constructor() {
    const accounts = PEOPLE.map((person) => {
      const key = makeKeyPair(person.username);
      writeFileSync(this.key(person.username), key.privateKey, { mode: 0o600 });
      return { ...person, publicKeys: [key.publicKey] };
    });
    this.gerrit = new EmbeddedGerrit({ directory: path.join(this.directory, 'git'), accounts });
  }

  async open(): Promise<this> {
    await this.gerrit.start();
    this.trustHost();
    return this;
  }

  async close(): Promise<void> {
    for (const kill of this.#running) kill();
    await this.gerrit.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  key(user: string): string {
    return path.join(this.directory, `${user}.key`);
  }

  trustHost(): void {
    writeFileSync(path.join(this.directory, 'known_hosts'), this.gerrit.knownHosts);
  }

  url(project: string, user = 'dev'): string {
    return `ssh://${user}@127.0.0.1:${this.gerrit.port}/${project}`;
  }

  /** `command` goes to the server as it is. */
  ssh(user: string, command: string, stdin = ''): Promise<Ran> {
    const options = this.#sshOptions(user);
    const argv = [...options, '-p', String(this.gerrit.port), '--', `${user}@127.0.0.1`, command];
    return this.#run('ssh', argv, this.directory, stdin);
  }

  git(cwd: string, ...argv: string[]): Promise<Ran> {
    return this.#run('git', argv, path.join(this.directory, cwd), '');
  }

  writeFile(name: string, text: string): void {
    writeFileSync(path.join(this.directory, name), text);
  }

  /** A clone with one commit of these files on top; returns the Change-Id in its message. */
  async commit(
    clone: string,
    message: string,
    files: Readonly<Record<string, string>>,
    id = newChangeId(),
  ): Promise<string> {
    for (const [name, text] of Object.entries(files)) {
      this.writeFile(path.join(clone, name), text);
    }
    await this.git(clone, 'add', '-A');
    await this.git(clone, 'commit', '-q', '--allow-empty', '-m', `${message}\n\nChange-Id: ${id}\n`);
    return id;
  }

  /** The stream as `user`'s ssh gets it, from now on; resolves once the server streams. */
  async stream(user: string, options = ''): Promise<Heard> {
    const before = this.gerrit.streams;
    const argv = [...this.#sshOptions(user), '-p', String(this.gerrit.port), '--', `${user}@127.0.0.1`];
    const child = spawn('ssh', [...argv, `gerrit stream-events ${options}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: this.#environment(),
    });
    const kill = (): void => void child.kill('SIGKILL');
    this.#running.add(kill);
    const heard = new Heard();
    child.stdout.on('data', (chunk: Buffer) => heard.add(chunk));
    child.on('close', (status) => {
      this.#running.delete(kill);
      heard.end(status);
    });
    await this.gerrit.until(() => this.gerrit.streams > before);
    return heard;
  }

  #sshOptions(user: string): string[] {
    const settings = [
      `UserKnownHostsFile=${path.join(this.directory, 'known_hosts')}`,
      'GlobalKnownHostsFile=/dev/null',
      'StrictHostKeyChecking=yes',
      'IdentitiesOnly=yes',
      'BatchMode=yes',
    ];
    return ['-F', '/dev/null', '-T', '-i', this.key(user), ...settings.flatMap((s) => ['-o', s])];
  }

  #environment(): NodeJS.ProcessEnv {
    return {
      ...gitEnvironment({ GIT_SSH_COMMAND: ['ssh', ...this.#sshOptions('dev')].join(' ') }),
      GIT_AUTHOR_NAME: 'dev',
      GIT_AUTHOR_EMAIL: 'dev@example.org',
      GIT_COMMITTER_NAME: 'dev',
      GIT_COMMITTER_EMAIL: 'dev@example.org',
    };
  }

  #run(program: string, argv: readonly string[], cwd: string, stdin: string): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, argv, { cwd, env: this.#environment(), stdio: 'pipe' });
      const kill = (): void => void child.kill('SIGKILL');
      this.#running.add(kill);
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      child.stdin.on('error', () => undefined);
      child.stdin.end(stdin);
      child.on('error', reject);
      child.on('close', (status) => {
        this.#running.delete(kill);
        resolve({ status, stdout, stderr });
      });
    });
  }
}

/** What a stream's client has received. */
export class Heard {
  text = '';
  readonly ended: Promise<number | null>;
  #end: (status: number | null) => void = () => undefined;
  readonly #waiting = new Set<() => void>();

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get events(): Record<string, unknown>[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  add(chunk: Buffer): void {
    this.text += chunk.toString('utf8');
    for (const ask of [...this.#waiting]) ask();
  }

  end(status: number | null): void {
    this.#end(status);
  }

  /** Resolves once this many whole lines are there. */
  lines(count: number): Promise<void> {
    return new Promise((resolve) => {
      const ask = (): void => {
        if (this.text.split('\n').length - 1 < count) return;
        this.#waiting.delete(ask);
        resolve();
      };
      this.#waiting.add(ask);
      ask();
    });
  }
}

export function newChangeId(): string {
  return `I${randomBytes(20).toString('hex')}`;
}
