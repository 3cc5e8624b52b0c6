/** The environment of a command: its output, the terminal's width and colour, the time. Tests pass a fake one. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { plainLines } from '../../terminal-text.ts';

export interface Io {
  /** Standard output: the result. */
  out(text: string): void;
  /** Standard error: progress and errors. */
  err(text: string): void;
  /** Resolves when the reader of standard output has taken what was printed, or `signal` aborts. For output of any length. */
  drained(signal: AbortSignal): Promise<void>;
  /** Standard output may be coloured. */
  readonly color: boolean;
  /** Columns of the terminal; Infinity without a terminal. */
  readonly width: number;
  /** Lines of a terminal on which the cursor can be moved; Infinity without one. */
  readonly height: number;
  /** Standard error is a terminal, so progress is shown. */
  readonly progress: boolean;
  /** Lists in JSON are printed as one line for each row. */
  readonly jsonl: boolean;
  /** Tables have a line of titles. */
  readonly header: boolean;
  /** Epoch ms. */
  now(): number;
  /** Whether the process with this pid still runs; `startTicks` 0: only the pid is known. */
  alive(pid: number, startTicks: number): boolean;
}

/** How a command prints its list; known once its options are parsed. */
export interface ListFormat {
  jsonl: boolean;
  header: boolean;
}

export function terminalIo(format: Readonly<ListFormat>): Io {
  const { stdout, stderr, env } = process;
  const tty = stdout.isTTY === true;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    drained: async (signal) => {
      // Rejects only when it is aborted: an error of the output ends the process.
      if (stdout.writableNeedDrain) await once(stdout, 'drain', { signal }).catch(() => undefined);
    },
    color: tty && !env.NO_COLOR && env.TERM !== 'dumb',
    // The window may change its size while a command follows something.
    get width() {
      return tty ? Math.max(40, stdout.columns || 80) : Number.POSITIVE_INFINITY;
    },
    get height() {
      return tty && env.TERM !== 'dumb' ? Math.max(10, stdout.rows || 24) : Number.POSITIVE_INFINITY;
    },
    progress: stderr.isTTY === true && env.TERM !== 'dumb',
    get jsonl() {
      return format.jsonl;
    },
    get header() {
      return format.header;
    },
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

/**
 * Prints one indented JSON document; with `--jsonl` each element of its list on a line.
 * @param list the key of the list
 */
export function printJson<T extends object>(io: Io, value: T, list?: keyof T): void {
  const rows: unknown = io.jsonl && list !== undefined ? value[list] : null;
  if (Array.isArray(rows)) for (const row of rows) printJsonLine(io, row);
  else io.out(`${safeJson({ format: 1, ...value }, 2)}\n`);
}

export function printJsonLine(io: Io, row: object): void {
  io.out(`${safeJson(row, 0)}\n`);
}

/** Escapes control characters that JSON leaves as they are. */
function safeJson(value: object, indent: number): string {
  const text = JSON.stringify(value, null, indent);
  return text.replaceAll(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069\u061c\u200e\u200f]/g, escaped);
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
