/**
 * Runs the real git and ssh against an embedded or real Gerrit. All their files are in one directory; processes that
 * still run at the end are killed.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { gitEnvironment } from '../../src/demo/gerrit/repository.ts';

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What users do on the web page. */
export interface GerritPerson {
  review(
    change: number,
    input: {
      readonly message?: string;
      readonly labels?: Readonly<Record<string, number>>;
      /** Comments by file. */
      readonly comments?: Readonly<Record<string, readonly { readonly message: string }[]>>;
    },
  ): unknown;
  abandon(change: number): unknown;
  restore(change: number): unknown;
  setWorkInProgress(change: number, wip: boolean): unknown;
  setPrivate(change: number, isPrivate: boolean): unknown;
  setTopic(change: number, topic: string): unknown;
  addHashtags(change: number, tags: readonly string[]): unknown;
  /** Approves and merges; for administrators. */
  merge(change: number): Promise<unknown>;
}

/** A server with accounts and their keys, and a directory for files of its clients. */
export abstract class GerritFixture {
  readonly directory: string;
  readonly #running = new Set<() => void>();

  constructor(directory: string) {
    this.directory = directory;
  }

  abstract get port(): number;
  /** Canonical web URL, without a final slash. */
  abstract get webUrl(): string;
  abstract get knownHostsFile(): string;
  abstract keyFile(user: string): string;
  abstract person(user: string): GerritPerson;
  /** Creates a project with a branch master. */
  abstract createProject(name: string): Promise<unknown>;
  /** The stream as `user`'s ssh receives it, from now on; resolves once the server streams. */
  abstract stream(user: string, options?: string): Promise<StreamOutput>;
  abstract close(): Promise<void>;

  /** Ends the clients that still run. */
  protected kill(): void {
    for (const kill of this.#running) kill();
  }

  url(project: string, user = 'dev'): string {
    return `ssh://${user}@127.0.0.1:${this.port}/${project}`;
  }

  /** `command` is sent to the server unchanged. */
  ssh(user: string, command: string, stdin = ''): Promise<Ran> {
    return this.#run('ssh', this.#sshTo(user, command), this.directory, stdin);
  }

  /** Runs git as dev. */
  git(cwd: string, ...argv: string[]): Promise<Ran> {
    return this.#run('git', argv, path.join(this.directory, cwd), '');
  }

  writeFile(name: string, text: string): void {
    writeFileSync(path.join(this.directory, name), text);
  }

  /** Commits these files in a clone; returns the Change-Id of the commit message. */
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

  /** The stream as `user`'s ssh receives it; events from before the server streams are missing. */
  protected openStream(user: string, options = ''): StreamOutput {
    const child = spawn('ssh', this.#sshTo(user, `gerrit stream-events ${options}`), {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: this.#environment(),
    });
    const kill = (): void => void child.kill('SIGKILL');
    this.#running.add(kill);
    const output = new StreamOutput();
    child.stdout.on('data', (chunk: Buffer) => output.add(chunk));
    child.on('close', (status) => {
      this.#running.delete(kill);
      output.end(status);
    });
    return output;
  }

  #sshTo(user: string, command: string): string[] {
    return [...this.#sshOptions(user), '-p', String(this.port), '--', `${user}@127.0.0.1`, command];
  }

  #sshOptions(user: string): string[] {
    const settings = [
      `UserKnownHostsFile=${this.knownHostsFile}`,
      'GlobalKnownHostsFile=/dev/null',
      'StrictHostKeyChecking=yes',
      'IdentitiesOnly=yes',
      'BatchMode=yes',
    ];
    return ['-F', '/dev/null', '-T', '-i', this.keyFile(user), ...settings.flatMap((s) => ['-o', s])];
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

/** The output that a stream's client has received. */
export class StreamOutput {
  text = '';
  readonly ended: Promise<number | null>;
  #end: (status: number | null) => void = () => undefined;
  readonly #waiting = new Set<() => void>();
  readonly #decoder = new StringDecoder('utf8');

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
    // A character may be split between two chunks.
    this.text += this.#decoder.write(chunk);
    for (const check of [...this.#waiting]) check();
  }

  end(status: number | null): void {
    this.#end(status);
  }

  /** Resolves once this many complete lines have arrived. */
  lines(count: number): Promise<void> {
    return this.until(() => this.text.split('\n').length - 1 >= count);
  }

  /** Resolves once the test holds; it is evaluated whenever more has arrived. */
  until(test: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!test()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }
}

export function newChangeId(): string {
  return `I${randomBytes(20).toString('hex')}`;
}
