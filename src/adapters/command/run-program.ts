/**
 * Runs one of the user's own programs: a JSON object on its standard input, a JSON object expected on its standard output.
 * It gets no shell, none of the daemon's environment but what is named, a deadline, and a bound on what it says; past them it
 * ends with everything that it has started in its process group.
 */
import { execa } from 'execa';
import { OperationError } from '../../errors.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { after } from '../../timer.ts';

export interface Program {
  /** What it is for, in the words of an operator. */
  readonly operation: string;
  readonly argv: readonly string[];
  readonly input: object;
  readonly timeoutMs: number;
  readonly outputLimitBytes: number;
  /** Names of the daemon's environment variables that it gets. */
  readonly environment: readonly string[];
  readonly signal: AbortSignal;
}

/** Every program gets these, where the daemon has them. */
const SURROUNDINGS = ['PATH', 'HOME', 'LANG', 'TMPDIR'];
/** sysexits.h: trying the same again is of no use. */
const NO_USE = [64, 78];
/** What is kept of its last words. */
const MESSAGE_LENGTH = 500;

/** What it answered; null: nothing but white space. Exit codes 64 and 78 mean that trying again is of no use. */
export async function runProgram(program: Program): Promise<unknown> {
  const { argv, input, timeoutMs, outputLimitBytes, environment, signal } = program;
  const [file = '', ...rest] = argv;
  if (signal.aborted) throw failure(program, 'given up before it began', true);
  const child = execa(file, rest, {
    input: `${JSON.stringify(input)}\n`,
    env: pick(process.env, [...SURROUNDINGS, ...environment]),
    extendEnv: false,
    detached: true,
    cleanup: false,
    reject: false,
    maxBuffer: outputLimitBytes,
  });
  let givenUp: string | null = null;
  const giveUp = (why: string): void => {
    givenUp ??= why;
    endGroup(child.pid);
  };
  const cancel = after(timeoutMs, () => giveUp(`no answer within ${formatLimit(timeoutMs)}`));
  const abort = () => giveUp('aborted before it was done');
  signal.addEventListener('abort', abort, { once: true });
  const result = await child;
  cancel();
  signal.removeEventListener('abort', abort);
  // What it has left in its group holds nothing of ours, and nobody waits for it.
  if (result.failed || givenUp !== null) endGroup(child.pid);
  if (givenUp !== null) {
    // What it waited for is often its last line.
    const said = lastLine(result.stderr);
    throw failure(program, said === '' ? givenUp : `${givenUp}; it said: ${said}`, true);
  }
  if (!result.failed) return parse(program, result.stdout);
  if (result.isMaxBuffer) throw failure(program, `it said more than ${outputLimitBytes} bytes`, false);
  if (result.exitCode === undefined && result.signal === undefined) {
    throw failure(program, `${file} cannot be run: ${result.code ?? 'unknown error'}`, false);
  }
  const how = result.exitCode === undefined ? `killed by ${result.signal}` : `exit code ${result.exitCode}`;
  const said = lastLine(result.stderr);
  const useless = result.exitCode !== undefined && NO_USE.includes(result.exitCode);
  throw failure(program, said === '' ? how : `${how}: ${said}`, !useless);
}

export function failure(program: Program, message: string, retryable: boolean): OperationError {
  return new OperationError({
    operation: program.operation,
    target: program.argv.join(' ').slice(0, 200),
    message,
    retryable,
    hint: 'run the program by hand; docs/providers.md says what it gets and must answer',
  });
}

function parse(program: Program, text: string): unknown {
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    throw failure(program, `its answer is no JSON: ${JSON.stringify(text.slice(0, 100))}`, false);
  }
}

function pick(
  from: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = from[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim().slice(-MESSAGE_LENGTH) ?? '';
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it lives.
  }
}
