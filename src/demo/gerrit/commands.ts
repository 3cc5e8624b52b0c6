/**
 * The SSH commands of the embedded Gerrit, from a command line to an exit status. Each one is given its words, already
 * split; none reaches a shell.
 */
import { spawn } from 'node:child_process';
import type { ServerChannel } from 'ssh2';
import { parseOptions, splitWords, UsageError } from './command-line.ts';
import { EventStream } from './event-stream.ts';
import { acceptPush } from './push.ts';
import { runQuery } from './query.ts';
import { receivePack } from './receive-pack.ts';
import { gitEnvironment, type Repository } from './repository.ts';
import { readsInput, runReview } from './review-command.ts';
import type { ReviewFaults } from './review-faults.ts';
import type { GerritAccount, Site } from './state.ts';

const STDIN_LIMIT_BYTES = 1024 * 1024;

/** One command on one channel. */
export interface Call {
  readonly account: GerritAccount;
  readonly line: string;
  /** git's protocol version, when the client asked for one. */
  readonly gitProtocol: string;
  readonly channel: ServerChannel;
}

/** What commands need of the server around them. */
export interface Surroundings {
  readonly site: Site;
  readonly version: string;
  readonly faults: ReviewFaults;
  /** One push at a time. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** A stream that is open from now until its channel closes. */
  streaming(stream: EventStream, call: Call): void;
}

/** The connection breaks here, without an answer. */
export class Hangup extends Error {
  override readonly name = 'Hangup';
}

/** Runs a command; resolves to its exit status, or to null for one that ends with its connection. */
export async function runCommand(call: Call, around: Surroundings): Promise<number | null> {
  const words = splitWords(call.line);
  const program = words[0] === 'git' ? `git-${words[1] ?? ''}` : words[0];
  try {
    if (program === 'git-upload-pack') return await serveFetch(call, repositoryOf(words, around));
    if (program === 'git-receive-pack') return await servePush(call, words, around);
    if (program !== 'gerrit') throw new UsageError(`Gerrit Code Review: ${words[0] ?? ''}: not found`);
    return await runGerrit(call, words[1] ?? '', words.slice(2), around);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    call.channel.stderr.write(`fatal: ${error.message}\n`);
    return 1;
  }
}

async function runGerrit(
  call: Call,
  name: string,
  words: readonly string[],
  around: Surroundings,
): Promise<number | null> {
  switch (name) {
    case 'version':
      call.channel.write(`gerrit version ${around.version}\n`);
      return 0;
    case 'query':
      call.channel.write(runQuery(around.site, call.account, words));
      return 0;
    case 'review':
      return serveReview(call, words, around);
    case 'stream-events':
      return serveStream(call, words, around);
    default:
      throw new UsageError(`gerrit: ${name}: not found`);
  }
}

async function serveReview(call: Call, words: readonly string[], around: Surroundings): Promise<number> {
  const stdin = readsInput(words) ? await readAll(call.channel) : '';
  const fault = around.faults.take();
  if (fault?.kind === 'fail') {
    call.channel.stderr.write(fault.stderr);
    return fault.status;
  }
  if (fault?.kind === 'answer') throw new Error('this fault is for a review by REST');
  if (fault?.kind === 'hold' && fault.at === 'before-taken') {
    fault.reach();
    await fault.go;
  }
  const answer = await runReview(around.site, call.account, words, stdin);
  if (fault?.kind === 'hold' && fault.at === 'after-taken') {
    fault.reach();
    await fault.go;
  }
  if (fault?.kind === 'drop-answer') {
    fault.reach();
    throw new Hangup();
  }
  call.channel.stderr.write(answer.stderr);
  return answer.status;
}

function serveStream(call: Call, words: readonly string[], around: Surroundings): number | null {
  const subscribe = { name: '--subscribe', aliases: ['-s'], takesValue: true };
  const { options } = parseOptions(words, [subscribe]);
  if (!call.account.mayStream) {
    call.channel.stderr.write('stream events not permitted\n');
    return 1;
  }
  const types = new Set(options.get('--subscribe') ?? []);
  around.streaming(new EventStream(around.site, call.account, types, call.channel), call);
  return null;
}

function repositoryOf(words: readonly string[], around: Surroundings): Repository {
  const name = projectOf(words);
  const repository = around.site.projects.get(name);
  if (repository === undefined) throw new UsageError(`project ${name} not found`);
  return repository;
}

function projectOf(words: readonly string[]): string {
  return (words.at(-1) ?? '').replace(/^\//, '').replace(/\.git$/, '');
}

function serveFetch(call: Call, repository: Repository): Promise<number> {
  const { channel } = call;
  const extra: Record<string, string> = call.gitProtocol === '' ? {} : { GIT_PROTOCOL: call.gitProtocol };
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['upload-pack', '--strict', '--timeout=60', '.'], {
      cwd: repository.directory,
      env: gitEnvironment(extra),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    channel.pipe(child.stdin);
    child.stdin.on('error', () => undefined);
    child.stdout.pipe(channel, { end: false });
    child.stderr.pipe(channel.stderr, { end: false });
    channel.on('close', () => child.kill('SIGTERM'));
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function servePush(call: Call, words: readonly string[], around: Surroundings): Promise<number> {
  const repository = repositoryOf(words, around);
  await around.inTurn(() =>
    receivePack(repository, call.channel, call.channel, (command) =>
      acceptPush(around.site, call.account, projectOf(words), repository, command),
    ),
  );
  return 0;
}

function readAll(channel: ServerChannel): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let size = 0;
    channel.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= STDIN_LIMIT_BYTES) parts.push(chunk);
    });
    const done = (): void => resolve(Buffer.concat(parts).toString('utf8'));
    channel.on('end', done);
    channel.on('close', done);
  });
}
