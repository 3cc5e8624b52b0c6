/**
 * Runs git without anything that this host or the repository could have set up: no configuration but ours, no hooks,
 * filters, helpers, prompts or other protocols. It gets a process group of its own, so that giving up ends ssh and all.
 */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { OperationError, type OperationErrorFields } from '../../errors.ts';

export interface GitCommand {
  /** What it is for, in the words of an operator. */
  readonly operation: string;
  readonly target: string;
  readonly hint: string;
  readonly cwd: string;
  readonly argv: readonly string[];
  /** The one protocol that may be used; null: none. */
  readonly protocol: string | null;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** On its standard input. */
  readonly input?: string;
}

export interface GitAnswer {
  readonly status: number;
  /** Without the last line end. */
  readonly stdout: string;
  /** It said more than is kept, and was ended for it. */
  readonly cut: boolean;
}

/** git ended with a status that is none of its answers. Some of them mean that it is another git than we need. */
export class GitFailed extends OperationError {
  readonly status: number | null;

  constructor(fields: OperationErrorFields, status: number | null) {
    super(fields);
    this.status = status;
  }
}

/** Gerrit accepts no further connection of this account. Nothing is wrong with the repository. */
export class TooManyConnections extends OperationError {}

const SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.attributesFile=/dev/null',
  'core.excludesFile=/dev/null',
  'core.fsmonitor=false',
  'credential.helper=',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'gc.auto=0',
  'maintenance.auto=false',
  // What is lost in a power cut is fetched again.
  'core.fsync=none',
  // One file for each fetch, however small: a repository is copied file by file.
  'fetch.unpackLimit=1',
  'protocol.allow=never',
  // Objects are checked as they come in, but for old mistakes that respectable projects have in their history.
  'fetch.fsckObjects=true',
  ...[
    'badTimezone',
    'missingSpaceBeforeDate',
    'missingSpaceBeforeEmail',
    'missingNameBeforeEmail',
    'missingEmail',
    'badEmail',
    'badDate',
    'zeroPaddedDate',
    'zeroPaddedFilemode',
    'missingTaggerEntry',
    'badTagName',
    'nullSha1',
  ].map((mistake) => `fetch.fsck.${mistake}=ignore`),
];

/** The status of a git that does not know what it was told. */
const USAGE = 129;
/**
 * What OpenSSH prints when the server ends the connection with SSH_DISCONNECT_TOO_MANY_CONNECTIONS (RFC 4253, 12). Its
 * exit status says nothing, and git's neither; the number is the code of the protocol, not a word of a text.
 */
const REFUSED = /^Received disconnect from \S+ port \d+:12: *(.*)$/m;
/** What is kept of what it says. */
const OUTPUT_BYTES = 1024 * 1024;
const MESSAGE_LENGTH = 500;

/** Its standard output without the last line end; anything but status 0 is an error. */
export async function git(command: GitCommand): Promise<string> {
  const { stdout, cut } = await askGit(command, []);
  if (cut) throw failed(command, 'it says more than anybody can read', null, undefined);
  return stdout;
}

/** @param answers statuses beside 0 that say something */
export async function askGit(command: GitCommand, answers: readonly number[]): Promise<GitAnswer> {
  if (command.signal.aborted) throw givenUp(command);
  const input = command.input === undefined ? { stdin: 'ignore' as const } : { input: command.input };
  const child = execa('git', [...settings(command.protocol), ...command.argv], {
    cwd: command.cwd,
    env: { ...surroundings(), ...command.environment },
    extendEnv: false,
    detached: true,
    cleanup: false,
    reject: false,
    maxBuffer: OUTPUT_BYTES,
    ...input,
  });
  const end = () => endGroup(child.pid);
  command.signal.addEventListener('abort', end, { once: true });
  const result = await child;
  command.signal.removeEventListener('abort', end);
  const status = result.exitCode ?? null;
  if (!result.failed) return { status: 0, stdout: result.stdout, cut: false };
  // What it had started may still be there.
  end();
  if (command.signal.aborted) throw givenUp(command, result.stderr.trim().slice(-MESSAGE_LENGTH));
  if (result.isMaxBuffer) return { status: -1, stdout: result.stdout, cut: true };
  if (status !== null && answers.includes(status)) return { status, stdout: result.stdout, cut: false };
  if (result.code === 'ENOENT') throw await missing(command);
  if (status === USAGE) throw tooOld(command);
  const said = result.stderr.trim();
  const refused = command.protocol === 'ssh' ? REFUSED.exec(said) : null;
  if (refused !== null) throw tooMany(command, refused[1] ?? '');
  throw failed(command, said === '' ? (result.shortMessage ?? 'it failed') : said, status, result.cause);
}

/** Refuses when a program that git will need is not installed: git itself does not say that in a code. */
export async function assertInstalled(program: string, target: string): Promise<void> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of folders) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return;
  }
  throw notInstalled(program, target);
}

function settings(protocol: string | null): readonly string[] {
  const allowed = protocol === null ? [] : [`protocol.${protocol}.allow=always`];
  return [...SETTINGS, ...allowed].flatMap((setting) => ['-c', setting]);
}

function surroundings(): Readonly<Record<string, string>> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'false',
    SSH_ASKPASS: 'false',
    GIT_SSH_VARIANT: 'ssh',
  };
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it lives.
  }
}

/** A missing folder to run in has the same code as a missing program. */
async function missing(command: GitCommand): Promise<OperationError> {
  try {
    await assertInstalled('git', command.target);
  } catch (error) {
    if (error instanceof OperationError) return error;
    throw error;
  }
  return failed(command, `${command.cwd} is not there`, null, undefined);
}

function failed(command: GitCommand, message: string, status: number | null, cause: unknown): GitFailed {
  const { operation, target, hint } = command;
  // A bad moment and a bad address look the same in git's exit code; the attempts are bounded.
  const fields = { operation, target, message: message.slice(-MESSAGE_LENGTH), retryable: true, hint, cause };
  return new GitFailed(fields, status);
}

function tooMany({ operation, target }: GitCommand, said: string): TooManyConnections {
  return new TooManyConnections({
    operation,
    target,
    message: `Gerrit refuses one more connection of this account: ${said.slice(0, MESSAGE_LENGTH)}`,
    retryable: true,
    hint: 'sos-ci needs 2 at a time, one for the stream and queries and one for git: have sshd.maxConnectionsPerUser raised, or end other programs that use this account',
  });
}

function tooOld(command: GitCommand): OperationError {
  return new OperationError({
    operation: command.operation,
    target: command.target,
    message: `this git does not know: git ${command.argv.slice(0, 2).join(' ')}`,
    retryable: false,
    hint: 'install git 2.38 or later',
  });
}

function givenUp(command: GitCommand, said = ''): OperationError {
  return new OperationError({
    operation: command.operation,
    target: command.target,
    message: `given up: it took too long, or the daemon stops${said === '' ? '' : `; git said: ${said}`}`,
    retryable: true,
    hint: 'see whether Gerrit answers, and give a large project more time',
  });
}

function notInstalled(program: string, target: string): OperationError {
  return new OperationError({
    operation: 'start program',
    target,
    message: `the program ${program} is not installed`,
    retryable: false,
    hint: 'apt-get install git openssh-client',
  });
}
