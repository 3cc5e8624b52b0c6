/** The environment of a command: its output, the terminal's width and colour, the time. Tests pass a fake one. */
import { readFileSync } from 'node:fs';
import { plainLines } from '../../terminal-text.ts';

export interface Io {
  /** Standard output: the result. */
  out(text: string): void;
  /** Standard error: progress and errors. */
  err(text: string): void;
  /** Standard output may be coloured. */
  readonly color: boolean;
  /** Columns of the terminal; Infinity without a terminal. */
  readonly width: number;
  /** Standard error is a terminal, so progress is shown. */
  readonly progress: boolean;
  /** Epoch ms. */
  now(): number;
  /** Whether the process with this pid still runs; `startTicks` 0: only the pid is known. */
  alive(pid: number, startTicks: number): boolean;
}

export function terminalIo(): Io {
  const { stdout, stderr, env } = process;
  const tty = stdout.isTTY === true;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    color: tty && !env.NO_COLOR && env.TERM !== 'dumb',
    width: tty ? Math.max(40, stdout.columns || 80) : Number.POSITIVE_INFINITY,
    progress: stderr.isTTY === true && env.TERM !== 'dumb',
    now: () => Date.now(),
    alive: processRuns,
  };
}

/** Runs `follow` until it ends, or until Ctrl-C aborts its signal. A second Ctrl-C ends the process. */
export async function untilInterrupted<T>(follow: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const abort = () => interrupted.abort();
  process.once('SIGINT', abort);
  try {
    return await follow(interrupted.signal);
  } finally {
    process.off('SIGINT', abort);
  }
}

/** Compares the start time as well, so that a reused pid does not count. */
function processRuns(pid: number, startTicks: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const afterName = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (afterName[0] === 'Z') return false;
    return startTicks === 0 || Number(afterName[19]) === startTicks;
  } catch {
    return false;
  }
}

const CODES = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  blue: '34',
} as const;
export type Paint = keyof typeof CODES;

export function paint(io: Pick<Io, 'color'>, style: Paint, text: string): string {
  return io.color && text !== '' ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;
}

/** The same for standard error, which may be a file while standard output is a terminal. */
export function paintError(io: Pick<Io, 'color' | 'progress'>, style: Paint, text: string): string {
  return paint({ color: io.color && io.progress }, style, text);
}

/** Prints one indented JSON document. Escapes control characters that JSON leaves as they are. */
export function printJson(io: Io, value: object): void {
  const text = JSON.stringify({ format: 1, ...value }, null, 2);
  io.out(`${text.replaceAll(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped)}\n`);
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
}

/** Removes terminal control sequences from chunks of output, and normalizes line ends. */
export function liveText(print: (text: string) => void): (chunk: string) => void {
  let afterReturn = false;
  return (chunk) => {
    const text = afterReturn && chunk.startsWith('\n') ? chunk.slice(1) : chunk;
    if (text !== '') afterReturn = text.endsWith('\r');
    print(plainLines(text.replaceAll(/\r\n?/g, '\n')));
  };
}
