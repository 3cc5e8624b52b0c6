/**
 * Runs git without anything that this host or the repository could have set up: no configuration but ours, no hooks,
 * filters, helpers, prompts or other protocols. It gets a process group of its own, so that giving up ends ssh and all.
 */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { OperationError } from '../../errors.ts';

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
}

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

/** What is kept of what it says. */
const OUTPUT_BYTES = 1024 * 1024;
const MESSAGE_LENGTH = 500;

/** Its standard output without the last line end. */
export async function git(command: GitCommand): Promise<string> {
  if (command.signal.aborted) throw givenUp(command);
  const child = execa('git', [...settings(command.protocol), ...command.argv], {
    cwd: command.cwd,
    env: { ...surroundings(), ...command.environment },
    extendEnv: false,
    detached: true,
    cleanup: false,
    reject: false,
    stdin: 'ignore',
    maxBuffer: OUTPUT_BYTES,
  });
  const end = () => endGroup(child.pid);
  command.signal.addEventListener('abort', end, { once: true });
  const result = await child;
  command.signal.removeEventListener('abort', end);
  if (!result.failed) return result.stdout;
  // What it had started may still be there.
  end();
  if (command.signal.aborted) throw givenUp(command);
  if (result.code === 'ENOENT') throw await missing(command);
  const said = result.stderr.trim();
  throw failed(command, said === '' ? (result.shortMessage ?? 'it failed') : said, result.cause);
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
  return failed(command, `${command.cwd} is not there`, undefined);
}

function failed(command: GitCommand, message: string, cause: unknown): OperationError {
  const { operation, target, hint } = command;
  // A bad moment and a bad address look the same in git's exit code; the attempts are bounded.
  return new OperationError({
    operation,
    target,
    message: message.slice(-MESSAGE_LENGTH),
    retryable: true,
    hint,
    cause,
  });
}

function givenUp(command: GitCommand): OperationError {
  return new OperationError({
    operation: command.operation,
    target: command.target,
    message: 'given up: it took too long, or the daemon stops',
    retryable: true,
    hint: 'see whether Gerrit answers, and raise fetchTimeout for a large project',
  });
}

function notInstalled(program: string, target: string): OperationError {
  return new OperationError({
    operation: 'fetch patchset',
    target,
    message: `the program ${program} is not installed`,
    retryable: false,
    hint: 'apt-get install git openssh-client',
  });
}
