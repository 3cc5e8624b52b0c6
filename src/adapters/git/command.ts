/**
 * Runs git isolated from the setup of the host and the repository: own configuration only, no hooks, filters, helpers,
 * prompts or other protocols. git gets its own process group, so that cancelling also ends its ssh.
 */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { OperationError, type OperationErrorFields } from '../../errors.ts';

export interface GitCommand {
  /** The purpose, worded for an operator. */
  readonly operation: string;
  readonly target: string;
  readonly hint: string;
  readonly cwd: string;
  readonly argv: readonly string[];
  /** The only permitted protocol; null permits none. */
  readonly protocol: string | null;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Written to standard input. */
  readonly input?: string;
}

export interface GitAnswer {
  readonly status: number;
  /** Without the final line ending. */
  readonly stdout: string;
  /** The output exceeded the limit, and git was killed. */
  readonly cut: boolean;
}

/** git failed, and a broken repository may be the cause. The status is null when git did not run or was killed. */
export class GitFailed extends OperationError {
  readonly status: number | null;

  constructor(fields: OperationErrorFields, status: number | null) {
    super(fields);
    this.status = status;
  }
}

/** Gerrit refuses further connections of this account. The repository is fine. */
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
  // Data lost in a power failure is fetched again.
  'core.fsync=none',
  // One pack per fetch, however small: repositories are copied file by file.
  'fetch.unpackLimit=1',
  'protocol.allow=never',
  // Incoming objects are checked, except for old mistakes in the history of well-known projects.
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
  ].map((check) => `fetch.fsck.${check}=ignore`),
];

/** git's exit status for an unknown option or command. */
const USAGE = 129;
/**
 * OpenSSH's message when the server disconnects with SSH_DISCONNECT_TOO_MANY_CONNECTIONS (RFC 4253, 12). Neither its
 * exit status nor git's shows this; the number is the protocol code, independent of the message text.
 */
const REFUSED = /^Received disconnect from \S+ port \d+:12: *(.*)$/m;
/** Maximum output kept. */
const OUTPUT_BYTES = 1024 * 1024;
const MESSAGE_LENGTH = 500;

/** Returns standard output without the final line ending; any status but 0 is an error. */
export async function git(command: GitCommand): Promise<string> {
  const { stdout, cut } = await gitWithStatus(command, []);
  if (cut) throw failed(command, 'it prints too much output', null, undefined);
  return stdout;
}

/** @param validStatuses statuses other than 0 that are valid results */
export async function gitWithStatus(
  command: GitCommand,
  validStatuses: readonly number[],
): Promise<GitAnswer> {
  if (command.signal.aborted) throw aborted(command);
  const input = command.input === undefined ? { stdin: 'ignore' as const } : { input: command.input };
  const child = execa('git', [...settings(command.protocol), ...command.argv], {
    cwd: command.cwd,
    env: { ...baseEnvironment(), ...command.environment },
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
  // Child processes of git may still be running.
  end();
  if (command.signal.aborted) throw aborted(command, result.stderr.trim().slice(-MESSAGE_LENGTH));
  if (result.isMaxBuffer) return { status: -1, stdout: result.stdout, cut: true };
  if (status !== null && validStatuses.includes(status)) return { status, stdout: result.stdout, cut: false };
  if (result.code === 'ENOENT') throw await missing(command);
  if (status === USAGE) throw tooOld(command);
  const stderr = result.stderr.trim();
  const refused = command.protocol === 'ssh' ? REFUSED.exec(stderr) : null;
  if (refused !== null) throw tooMany(command, refused[1] ?? '');
  throw failed(command, stderr === '' ? (result.shortMessage ?? 'it failed') : stderr, status, result.cause);
}

/** Throws when a program that git needs is not installed: git has no exit status for that. */
export async function assertInstalled(program: string, target: string): Promise<void> {
  const directories = (process.env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  for (const directory of directories) {
    const found = await access(join(directory, program), constants.X_OK).then(
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

function baseEnvironment(): Readonly<Record<string, string>> {
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
    // No process of the group is alive.
  }
}

/** A missing working directory has the same error code as a missing program. */
async function missing(command: GitCommand): Promise<OperationError> {
  try {
    await assertInstalled('git', command.target);
  } catch (error) {
    if (error instanceof OperationError) return error;
    throw error;
  }
  return failed(command, `${command.cwd} does not exist`, null, undefined);
}

function failed(command: GitCommand, message: string, status: number | null, cause: unknown): GitFailed {
  const { operation, target, hint } = command;
  // git's exit status does not distinguish a temporary failure from a wrong address; the attempts are bounded.
  const fields = { operation, target, message: message.slice(-MESSAGE_LENGTH), retryable: true, hint, cause };
  return new GitFailed(fields, status);
}

function tooMany({ operation, target }: GitCommand, stderr: string): TooManyConnections {
  return new TooManyConnections({
    operation,
    target,
    message: `Gerrit refuses one more connection of this account: ${stderr.slice(0, MESSAGE_LENGTH)}`,
    retryable: true,
    hint: 'sos-ci needs 2 at a time, one for the stream and queries and one for git: have sshd.maxConnectionsPerUser raised, or stop other programs that use this account',
  });
}

function tooOld(command: GitCommand): OperationError {
  return new OperationError({
    operation: command.operation,
    target: command.target,
    message: `this version of git does not support: git ${command.argv.slice(0, 2).join(' ')}`,
    retryable: false,
    hint: 'install git 2.38 or later',
  });
}

function aborted(command: GitCommand, stderr = ''): OperationError {
  return new OperationError({
    operation: command.operation,
    target: command.target,
    message: `aborted: it took too long, or the daemon is stopping${stderr === '' ? '' : `; git printed: ${stderr}`}`,
    retryable: true,
    hint: 'check that Gerrit answers, and raise the timeout for a large project',
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
