/**
 * The daemon's own log: one JSON object a line, so that journald and other programs can read it, or short coloured
 * lines where a person watches a terminal. Secrets that the configuration names never get into it, also not inside
 * an error's text, and nothing in it can drive a terminal.
 */
import pino from 'pino';
import { plainText } from './terminal-text.ts';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** The same log; `fields` stand in each of its lines. */
  child(fields: object): Log;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** Takes whole lines, each with its line end. */
export interface LogDestination {
  write(line: string): unknown;
}

/** Secret values as they are now: a configuration that is read again may bring others. */
export interface SecretValues {
  values: readonly string[];
}

export interface LogOptions {
  readonly level: string;
  /** stderr, a file to append to, or anything that takes lines. */
  readonly destination: 'stderr' | { readonly file: string } | LogDestination;
  /** Values that must not appear; longest first is seen to here. */
  readonly secrets?: SecretValues;
  /** Lines for people. Default: only when stderr is the destination and a terminal. */
  readonly pretty?: boolean;
  /** Colour, in lines for people only. Default: on a terminal, unless NO_COLOR is set. */
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
 * Takes secrets out of a finished line. It is looked at as JSON again only when a secret stands in it, and stays JSON.
 * A value with quotes or line ends is looked for in its escaped form too, because texts often hold JSON.
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

/** The same value with `hide` applied to each text in it, keys and numbers included. */
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

/** `17:09:35Z WARN  message  key=value ...`; the hint, where there is one, on a line of its own. */
function forPeople(line: string, color: boolean): string {
  const parsed: unknown = JSON.parse(line);
  const { level, time, msg, hint, ...rest } = parsed as Record<string, unknown>;
  const paint = (code: string | undefined, text: string): string =>
    color && code !== undefined ? `${code}${text}${RESET}` : text;
  const name = String(level);
  const fields = Object.entries(rest)
    .map(([key, value]) => `${plainText(key)}=${shown(value)}`)
    .join(' ');
  const head = `${String(time).slice(11, 19)}Z ${paint(PAINT[name], name.toUpperCase().padEnd(5))} ${plainText(String(msg ?? ''))}`;
  const tail = fields === '' ? '' : `  ${paint(DIM, fields)}`;
  const next = typeof hint === 'string' && hint !== '' ? `\n          -> ${plainText(hint)}` : '';
  return `${head}${tail}${next}\n`;
}

function shown(value: unknown): string {
  if (typeof value === 'string')
    return /^[\w./:,@+-]+$/u.test(value) ? value : plainText(JSON.stringify(value));
  if (isError(value)) return plainText(value.stack ?? value.message);
  return plainText(JSON.stringify(value) ?? 'undefined');
}

/** An error as pino writes it. */
function isError(value: unknown): value is { readonly message: string; readonly stack?: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && 'message' in value;
}
