/**
 * The daemon's log: one JSON object per line, for journald and other programs, or short coloured lines on a terminal.
 * Configured secrets never appear in it, including in error texts, and its content cannot control a terminal.
 */
import pino from 'pino';
import { plainText } from './terminal-text.ts';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** The same log with `fields` in each of its lines. */
  child(fields: object): Log;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** Receives whole lines, each with its line end. */
export interface LogDestination {
  write(line: string): unknown;
}

/** The current secret values; a reload may change them. */
export interface SecretValues {
  values: readonly string[];
}

export interface LogOptions {
  readonly level: string;
  /** stderr, a file to append to, or any receiver of lines. */
  readonly destination: 'stderr' | { readonly file: string } | LogDestination;
  /** Values that must not appear, in any order; the log replaces the longest first. */
  readonly secrets?: SecretValues;
  /** Writes lines for people. Default: only when the destination is stderr and a terminal. */
  readonly pretty?: boolean;
  /** Colours the lines for people. Default: on a terminal, unless NO_COLOR is set. */
  readonly color?: boolean;
}

export function createLog(options: LogOptions): Log {
  const onTerminal = options.destination === 'stderr' && process.stderr.isTTY === true;
  const pretty = options.pretty ?? onTerminal;
  const color = options.color ?? (onTerminal && !process.env.NO_COLOR);
  const out = openDestination(options.destination);
  const secrets = options.secrets ?? { values: [] };
  let known = secrets.values;
  let redact = redactor(known);
  const stream = {
    write(line: string): void {
      if (secrets.values !== known) {
        known = secrets.values;
        redact = redactor(known);
      }
      const safe = redact(line);
      out.write(pretty ? forPeople(safe, color) : safe);
    },
  };
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
    },
    stream,
  );
}

function openDestination(destination: LogOptions['destination']): LogDestination {
  if (destination === 'stderr') return process.stderr;
  if ('file' in destination) return pino.destination({ dest: destination.file, sync: true, mkdir: true });
  return destination;
}

/**
 * Replaces secrets in a finished line. Parses the line as JSON only when it contains a secret, and keeps it valid JSON.
 * A value with quotes or line ends is also searched in its escaped form, because texts often contain JSON.
 */
function redactor(secrets: readonly string[]): (line: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret === '') continue;
    forms.add(secret).add(JSON.stringify(secret).slice(1, -1));
  }
  const ordered = [...forms].sort((a, b) => b.length - a.length);
  const inLine = ordered.map((form) => JSON.stringify(form).slice(1, -1));
  const hide = (text: string): string =>
    ordered.reduce((rest, form) => rest.replaceAll(form, '[redacted]'), text);
  return (line) =>
    inLine.some((form) => line.includes(form)) ? `${JSON.stringify(deep(JSON.parse(line), hide))}\n` : line;
}

/** The same value with `hide` applied to each string in it, including keys and numbers. */
function deep(value: unknown, hide: (text: string) => string): unknown {
  if (typeof value === 'string') return hide(value);
  if (typeof value === 'number') return hide(String(value)) === String(value) ? value : hide(String(value));
  if (Array.isArray(value)) return value.map((item) => deep(item, hide));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [hide(key), deep(item, hide)]));
}

const PAINT: Readonly<Record<string, string>> = {
  debug: '\u001b[2m',
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
};
const DIM = '\u001b[2m';
const RESET = '\u001b[0m';

/** `17:09:35Z WARN  message  key=value ...`; a hint goes on a separate line. */
function forPeople(line: string, color: boolean): string {
  const parsed: unknown = JSON.parse(line);
  const { level, time, msg, hint, ...rest } = parsed as Record<string, unknown>;
  const paint = (code: string | undefined, text: string): string =>
    color && code !== undefined ? `${code}${text}${RESET}` : text;
  const name = String(level);
  const fields = Object.entries(rest)
    .map(([key, value]) => `${plainText(key)}=${fieldText(value)}`)
    .join(' ');
  const head = `${String(time).slice(11, 19)}Z ${paint(PAINT[name], name.toUpperCase().padEnd(5))} ${plainText(String(msg ?? ''))}`;
  const tail = fields === '' ? '' : `  ${paint(DIM, fields)}`;
  const next = typeof hint === 'string' && hint !== '' ? `\n          -> ${plainText(hint)}` : '';
  return `${head}${tail}${next}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value === 'string')
    return /^[\w./:,@+-]+$/u.test(value) ? value : plainText(JSON.stringify(value));
  if (isError(value)) return plainText(value.stack ?? value.message);
  return plainText(JSON.stringify(value) ?? 'undefined');
}

/** An error as pino serializes it. */
function isError(value: unknown): value is { readonly message: string; readonly stack?: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && 'message' in value;
}
