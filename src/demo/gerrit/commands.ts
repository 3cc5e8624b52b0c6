/** The SSH commands of the embedded Gerrit, from a command line to an exit status. None uses a shell. */
import { spawn } from 'node:child_process';
import type { ServerChannel } from 'ssh2';
import { parseOptions, splitArguments, UsageError } from './command-line.ts';
import { EventStream } from './event-stream.ts';
import { acceptPush } from './push.ts';
import { runQuery } from './query.ts';
import { receivePack } from './receive-pack.ts';
import { gitEnvironment, type Repository } from './repository.ts';
import { readsInput, runReview } from './review-command.ts';
import type { ReviewFaults } from './review-faults.ts';
import type { GerritAccount, GerritState } from './state.ts';

const MAX_STDIN_BYTES = 1024 * 1024;

/** One command on one channel. */
export interface Call {
  readonly account: GerritAccount;
  readonly line: string;
  /** git's protocol version, when the client asked for one. */
  readonly gitProtocol: string;
  readonly channel: ServerChannel;
}

/** What commands need from the server. */
export interface CommandContext {
  readonly state: GerritState;
  readonly version: string;
  readonly faults: ReviewFaults;
  /** Runs one push at a time. */
  serialize<T>(work: () => Promise<T>): Promise<T>;
  /** Called with a stream that stays open until its channel closes. */
  onStream(stream: EventStream, call: Call): void;
}

/** The connection breaks here, without a response. */
export class Hangup extends Error {
  override readonly name = 'Hangup';
}

/** Runs a command; resolves to its exit status, or to null for one that ends with its connection. */
export async function runCommand(call: Call, context: CommandContext): Promise<number | null> {
  const args = splitArguments(call.line);
  const program = args[0] === 'git' ? `git-${args[1] ?? ''}` : args[0];
  try {
    if (program === 'git-upload-pack') return await serveFetch(call, repositoryOf(args, context));
    if (program === 'git-receive-pack') return await servePush(call, args, context);
    if (program !== 'gerrit') throw new UsageError(`Gerrit Code Review: ${args[0] ?? ''}: not found`);
    return await runGerrit(call, args[1] ?? '', args.slice(2), context);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    call.channel.stderr.write(`fatal: ${error.message}\n`);
    return 1;
  }
}

async function runGerrit(
  call: Call,
  name: string,
  args: readonly string[],
  context: CommandContext,
): Promise<number | null> {
  switch (name) {
    case 'version':
      call.channel.write(`gerrit version ${context.version}\n`);
      return 0;
    case 'query':
      call.channel.write(runQuery(context.state, call.account, args));
      return 0;
    case 'review':
      return serveReview(call, args, context);
    case 'stream-events':
      return serveStream(call, args, context);
    default:
      throw new UsageError(`gerrit: ${name}: not found`);
  }
}

async function serveReview(call: Call, args: readonly string[], context: CommandContext): Promise<number> {
  const stdin = readsInput(args) ? await readAll(call.channel) : '';
  const fault = context.faults.next();
  if (fault?.kind === 'fail') {
    call.channel.stderr.write(fault.stderr);
    return fault.status;
  }
  if (fault?.kind === 'response') throw new Error('this fault is for a review over REST');
  if (fault?.kind === 'hold' && fault.at === 'before-applied') {
    fault.reach();
    await fault.resume;
  }
  const result = await runReview(context.state, call.account, args, stdin);
  if (fault?.kind === 'hold' && fault.at === 'after-applied') {
    fault.reach();
    await fault.resume;
  }
  if (fault?.kind === 'drop-response') {
    fault.reach();
    throw new Hangup();
  }
  call.channel.stderr.write(result.stderr);
  return result.status;
}

function serveStream(call: Call, args: readonly string[], context: CommandContext): number | null {
  const subscribe = { name: '--subscribe', aliases: ['-s'], takesValue: true };
  const { options } = parseOptions(args, [subscribe]);
  if (!call.account.mayStream) {
    call.channel.stderr.write('stream events not permitted\n');
    return 1;
  }
  const types = new Set(options.get('--subscribe') ?? []);
  context.onStream(new EventStream(context.state, call.account, types, call.channel), call);
  return null;
}

function repositoryOf(args: readonly string[], context: CommandContext): Repository {
  const name = projectOf(args);
  const repository = context.state.projects.get(name);
  if (repository === undefined) throw new UsageError(`project ${name} not found`);
  return repository;
}

function projectOf(args: readonly string[]): string {
  return (args.at(-1) ?? '').replace(/^\//, '').replace(/\.git$/, '');
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

async function servePush(call: Call, args: readonly string[], context: CommandContext): Promise<number> {
  const repository = repositoryOf(args, context);
  await context.serialize(() =>
    receivePack(repository, call.channel, call.channel, (command) =>
      acceptPush(context.state, call.account, projectOf(args), repository, command),
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
      if (size <= MAX_STDIN_BYTES) parts.push(chunk);
    });
    const done = (): void => resolve(Buffer.concat(parts).toString('utf8'));
    channel.on('end', done);
    channel.on('close', done);
  });
}
