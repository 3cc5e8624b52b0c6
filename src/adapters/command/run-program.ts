/**
 * Runs one of the user's own programs: a JSON object on its standard input, a JSON object expected on its standard
 * output. The program runs without a shell, gets only named variables of the daemon's environment, and has a deadline
 * and an output limit. When it exceeds one, its whole process group is killed. Processes outside the group may keep its
 * output open: no call waits for them.
 */
import { execa } from 'execa';
import { OperationError } from '../../errors.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { after, type Cancel } from '../../timer.ts';
import { pickVariables } from '../run/stage-environment.ts';

export interface Program {
  /** The purpose, in an operator's terms. */
  readonly operation: string;
  readonly argv: readonly string[];
  readonly input: object;
  readonly timeoutMs: number;
  readonly outputLimitBytes: number;
  /** Names of the daemon's environment variables to pass to the program. */
  readonly environment: readonly string[];
  readonly signal: AbortSignal;
}

/** Passed to every program, when set for the daemon. */
const BASE_ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'TMPDIR'];
/** Exit codes that make a retry pointless: EX_USAGE and EX_CONFIG of sysexits.h. */
const PERMANENT_EXIT_CODES = [64, 78];
/** How long the output of a program that has ended is still read, while another process keeps it open. */
const DRAIN_MS = 2_000;
/** The maximum length of the error output in a message. */
const MESSAGE_LENGTH = 500;

/** Resolves to the program's answer; null for white space only. Exit codes 64 and 78 mean that a retry is pointless. */
export async function runProgram(program: Program): Promise<unknown> {
  const { argv, input, timeoutMs, outputLimitBytes, environment, signal } = program;
  const [file = '', ...rest] = argv;
  if (signal.aborted) throw failure(program, 'aborted before it started', true);
  const child = execa(file, rest, {
    input: `${JSON.stringify(input)}\n`,
    env: pickVariables(process.env, [...BASE_ENVIRONMENT, ...environment]),
    extendEnv: false,
    detached: true,
    cleanup: false,
    reject: false,
    maxBuffer: outputLimitBytes,
  });
  const closeOutput = (): void => {
    child.stdout.destroy();
    child.stderr.destroy();
  };
  let givenUp: string | null = null;
  const giveUp = (why: string): void => {
    givenUp ??= why;
    endGroup(child.pid);
    closeOutput();
  };
  let cancelDrain: Cancel = () => {};
  child.once('exit', () => {
    cancelDrain = after(DRAIN_MS, closeOutput);
  });
  const cancel = after(timeoutMs, () => giveUp(`no answer within ${formatLimit(timeoutMs)}`));
  const abort = () => giveUp('aborted before it was done');
  signal.addEventListener('abort', abort, { once: true });
  const result = await child;
  cancel();
  cancelDrain();
  signal.removeEventListener('abort', abort);
  // Kills the remaining processes of its group; they hold none of our resources, and no caller waits for them.
  if (result.failed || givenUp !== null) endGroup(child.pid);
  if (givenUp !== null) {
    // The last line often names what the program waited for.
    const detail = lastLine(result.stderr);
    throw failure(program, detail === '' ? givenUp : `${givenUp}; its last output: ${detail}`, true);
  }
  if (!result.failed) return parse(program, result.stdout);
  if (result.isMaxBuffer) throw failure(program, `it printed more than ${outputLimitBytes} bytes`, false);
  if (result.exitCode === undefined && result.signal === undefined) {
    throw failure(program, `${file} cannot be run: ${result.code ?? 'unknown error'}`, false);
  }
  const how = result.exitCode === undefined ? `killed by ${result.signal}` : `exit code ${result.exitCode}`;
  const detail = lastLine(result.stderr);
  const permanent = result.exitCode !== undefined && PERMANENT_EXIT_CODES.includes(result.exitCode);
  throw failure(program, detail === '' ? how : `${how}: ${detail}`, !permanent);
}

export function failure(program: Program, message: string, retryable: boolean): OperationError {
  return new OperationError({
    operation: program.operation,
    target: program.argv.join(' ').slice(0, 200),
    message,
    retryable,
    hint: 'run the program by hand; docs/providers.md describes its input and output',
  });
}

function parse(program: Program, text: string): unknown {
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    throw failure(program, `its output is not JSON: ${JSON.stringify(text.slice(0, 100))}`, false);
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim().slice(-MESSAGE_LENGTH) ?? '';
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // No process of the group is alive.
  }
}
