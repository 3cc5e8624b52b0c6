/**
 * The kinds of values in the configuration file. Each field carries the metadata for the key reference and the JSON
 * Schema, and reports a wrong value with its own message and next step.
 */
import { z } from 'zod';
import type { PasswordSource } from '../config.ts';
import { nearest } from '../file/config-error.ts';
import { FieldError } from './field-error.ts';
import { parseDuration, parseSize } from './units.ts';

/** What the key reference and the JSON Schema say about a key. */
export interface FieldMeta {
  /** The kind of value, such as duration. */
  readonly title: string;
  readonly description: string;
  /** As written in the file. Undefined: the key is required. Null: it has no default. */
  readonly default?: unknown;
  /** Keywords of JSON Schema. */
  readonly type?: string;
  readonly [keyword: string]: unknown;
}

export const fieldMeta = z.registry<FieldMeta>();

/** A key that `read` checks and converts. An absent key is read as its default. */
export function field<T>(meta: FieldMeta, read: (value: unknown) => T | FieldError) {
  const required = meta.default === undefined;
  return z
    .unknown()
    .optional()
    .transform((value, context): T => {
      const outcome =
        value === undefined && required
          ? new FieldError('is missing', `add it: ${meta.description}`)
          : value === null && meta.default !== null
            ? new FieldError('has no value', 'write one, or remove the key')
            : read(value === undefined ? meta.default : value);
      if (!(outcome instanceof FieldError)) return outcome;
      const items = outcome.items.size === 0 ? [[-1, outcome] as const] : [...outcome.items];
      for (const [index, { what, next }] of items) {
        const path = index < 0 ? [] : [index];
        context.addIssue({ code: 'custom', message: what, params: { next }, path });
      }
      return z.NEVER;
    })
    .register(fieldMeta, meta);
}

interface Described<D = string> {
  readonly about: string;
  readonly default?: D;
}

/** Checks a string; null when it is valid. */
export type TextCheck = (text: string) => FieldError | null;

export function text(options: Described & { readonly kind?: string; readonly check?: TextCheck }) {
  const meta = { title: options.kind ?? 'string', description: options.about, type: 'string' };
  return field({ ...meta, default: options.default }, (value) => readText(value, options.check));
}

/** A string that may be absent. */
export function optionalText(options: {
  readonly about: string;
  readonly kind?: string;
  readonly check?: TextCheck;
}) {
  const meta = { title: options.kind ?? 'string', description: options.about, type: 'string', default: null };
  return field(meta, (value): string | null | FieldError =>
    value === null ? null : readText(value, options.check),
  );
}

export function flag(options: { readonly about: string; readonly default: boolean }) {
  const meta = { title: 'true or false', description: options.about, type: 'boolean' };
  return field({ ...meta, default: options.default }, (value) =>
    typeof value === 'boolean' ? value : new FieldError(`must be true or false, not ${describe(value)}`),
  );
}

interface Range {
  readonly min: number;
  readonly max: number;
}

export function integer(options: Described<number> & Range) {
  const meta = { ...integerMeta(options), default: options.default };
  return field(meta, (value) => readInteger(value, options));
}

/** A number that may be absent. */
export function optionalInteger(options: Range & { readonly about: string }) {
  return field({ ...integerMeta(options), default: null }, (value): number | null | FieldError =>
    value === null ? null : readInteger(value, options),
  );
}

function integerMeta({ min, max, about }: Range & { readonly about: string }) {
  const title = `number, ${min} to ${max}`;
  return { title, description: about, type: 'integer', minimum: min, maximum: max };
}

/** A list of numbers, empty by default. */
export function integers({ min, max, about }: Range & { readonly about: string }) {
  const items = { type: 'integer', minimum: min, maximum: max };
  const title = `list of numbers, ${min} to ${max}`;
  const meta = { title, description: about, type: 'array', items, maxItems: MAX_ITEMS, default: [] };
  return field(meta, (value) => readList(value, (item) => readInteger(item, { min, max })));
}

interface DurationOptions extends Described {
  readonly min?: string;
  readonly max?: string;
}

export function duration(options: DurationOptions) {
  return field({ ...durationMeta(options.about), default: options.default }, (value) =>
    readDuration(value, options),
  );
}

/** A duration that may be absent. */
export function optionalDuration(options: Omit<DurationOptions, 'default'>) {
  return field({ ...durationMeta(options.about), default: null }, (value): number | null | FieldError =>
    value === null ? null : readDuration(value, options),
  );
}

function durationMeta(description: string) {
  return { title: 'duration', description, type: 'string', pattern: '^(\\d{1,9}(ms|s|m|h|d))+$' };
}

function readDuration(value: unknown, { min = '1ms', max = '30d' }: Omit<DurationOptions, 'about'>) {
  return readMeasure(value, parseDuration, min, max, '500ms, 30s, 10m, 4h, 2d or 1h30m');
}

export function size(options: Described & { readonly min?: string; readonly max?: string }) {
  const [min, max] = [options.min ?? '1B', options.max ?? '1024GB'];
  const pattern = '^\\d{1,9}(B|KB|MB|GB)$';
  const meta = { title: 'size', description: options.about, type: 'string', pattern };
  return field({ ...meta, default: options.default }, (value) =>
    readMeasure(value, parseSize, min, max, '500B, 64KB, 8MB or 1GB'),
  );
}

export function choice<const C extends string>(options: Described<C> & { readonly of: readonly C[] }) {
  const meta = { title: options.of.join(', '), description: options.about, enum: options.of };
  return field({ ...meta, type: 'string', default: options.default }, (value): C | FieldError => {
    const found = options.of.find((candidate) => candidate === value);
    return found ?? notOneOf(value, options.of);
  });
}

/** The error for a value that is not one of the known values. */
export function notOneOf(value: unknown, known: readonly string[]): FieldError {
  const near = typeof value === 'string' ? nearest(value, known) : null;
  const next = near === null ? '' : `did you mean "${near}"?`;
  return new FieldError(`must be one of ${known.join(', ')}, not ${describe(value)}`, next);
}

/** A list of strings, each checked. */
export function texts(options: {
  readonly about: string;
  readonly kind: string;
  readonly check: TextCheck;
  readonly default?: readonly string[];
  /** The only values that an item can have. */
  readonly of?: readonly string[];
}) {
  const items = { type: 'string', ...(options.of === undefined ? {} : { enum: options.of }) };
  const meta = { title: options.kind, description: options.about, type: 'array', items, maxItems: MAX_ITEMS };
  return field({ ...meta, default: options.default ?? [] }, (value) =>
    readList(value, (item) => readText(item, options.check)),
  );
}

/** One string or a list of strings. Required. */
export function textOrTexts(options: {
  readonly about: string;
  readonly kind: string;
  readonly check: TextCheck;
}) {
  const anyOf = [{ type: 'string' }, { type: 'array', items: { type: 'string' }, maxItems: MAX_ITEMS }];
  const meta = { title: options.kind, description: options.about, anyOf };
  return field(meta, (value): readonly string[] | FieldError => {
    if (Array.isArray(value) && value.length === 0) return new FieldError('is empty', 'name at least one');
    if (Array.isArray(value)) return readList(value, (item) => readText(item, options.check));
    const read = readText(value, options.check);
    return read instanceof FieldError ? read : [read];
  });
}

/** Names and values of any kind, empty by default. */
export function mapping(options: {
  readonly about: string;
  readonly kind: string;
  readonly maxBytes: number;
  /** What is wrong with a name; null when it is valid. */
  readonly checkName: TextCheck;
}) {
  const meta = { title: options.kind, description: options.about, type: 'object', default: {} };
  return field(meta, (value): Readonly<Record<string, unknown>> | FieldError => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return new FieldError(`must be a mapping of names to values, not ${describe(value)}`);
    if (JSON.stringify(value).length > options.maxBytes)
      return new FieldError(`is larger than ${options.maxBytes / 1024} KB`, 'put it into a file');
    const wrong = Object.keys(value).map(options.checkName);
    return wrong.find((error) => error !== null) ?? (value as Readonly<Record<string, unknown>>);
  });
}

/** Program and arguments. */
export function command(options: { readonly about: string }) {
  return field(commandMeta(options.about), readCommand);
}

/** Program and arguments that may be absent. */
export function optionalCommand(options: { readonly about: string }) {
  const meta = { ...commandMeta(options.about), default: null };
  return field(meta, (value): readonly string[] | null | FieldError =>
    value === null ? null : readCommand(value),
  );
}

function commandMeta(description: string) {
  const items = { type: 'string' };
  return { title: 'list: program, arguments', description, type: 'array', items, minItems: 1 };
}

function readCommand(value: unknown): readonly string[] | FieldError {
  if (typeof value === 'string') {
    return new FieldError(
      'must be a list of program and arguments, not a single string, because it runs without a shell',
      `write [${value.trim().split(/\s+/).join(', ')}], or for a shell [sh, -c, ${JSON.stringify(value)}]`,
    );
  }
  if (!Array.isArray(value))
    return new FieldError(`must be a list of program and arguments, not ${describe(value)}`);
  if (value.length === 0) return new FieldError('is empty', 'name the program and its arguments');
  const bad = value.findIndex((item) => typeof item !== 'string');
  if (bad >= 0) {
    const what = `must hold strings only: item ${bad + 1} is ${describe(value[bad])}`;
    return new FieldError(what, 'put it in quotes');
  }
  const argv = value as readonly string[];
  if (argv[0]?.trim() === '') return new FieldError('begins with an empty program name');
  return argv.some((item) => item.includes('\0')) ? new FieldError('contains a NUL character') : argv;
}

/** The source of a secret, never the secret itself. @param hint for a secret that was written instead of its source */
export function secretSource(options: { readonly about: string; readonly hint: string }) {
  const only = (name: string) => {
    const properties = { [name]: { type: 'string' } };
    return { type: 'object', properties, required: [name], additionalProperties: false };
  };
  const title = '{file: PATH} or {env: NAME}';
  const meta = { title, description: options.about, oneOf: [only('file'), only('env')] };
  return field(meta, (value) => readSource(value, options.hint));
}

/** The source that a value names; null when it is malformed. */
export function sourceOf(value: unknown): PasswordSource | null {
  const source = readSource(value, '');
  return source instanceof FieldError ? null : source;
}

function readSource(value: unknown, hint: string): PasswordSource | FieldError {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new FieldError(
      `must be a mapping of keys, not ${Array.isArray(value) ? 'a list' : 'a single value'}`,
      hint,
    );
  const { file = null, env = null, ...more } = value as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) return new FieldError('has an unknown key', 'write {file: PATH} or {env: NAME}');
  const wrong = (one: unknown) => one !== null && (typeof one !== 'string' || /\p{Cc}/u.test(one));
  if ((file === null) === (env === null) || wrong(file) || wrong(env))
    return new FieldError('must have either file or env', 'write {file: PATH} or {env: NAME}');
  return { file: file as string | null, env: env as string | null };
}

export function readText(value: unknown, check: TextCheck | undefined): string | FieldError {
  if (typeof value !== 'string') {
    const quote = typeof value === 'number' || typeof value === 'boolean' ? 'put it in quotes' : '';
    return new FieldError(`must be a string, not ${describe(value)}`, quote);
  }
  if (/\p{Cc}/u.test(value)) return new FieldError('holds a control character or a line end');
  return check?.(value) ?? value;
}

export function readInteger(value: unknown, { min, max }: Range): number | FieldError {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    return new FieldError(`must be a whole number, not ${describe(value)}`);
  }
  return value >= min && value <= max ? value : new FieldError(`must be from ${min} to ${max}, not ${value}`);
}

/** Keeps list checks cheap. */
const MAX_ITEMS = 100;

function readList<T>(value: unknown, read: (item: unknown) => T | FieldError): readonly T[] | FieldError {
  if (!Array.isArray(value)) {
    const next = typeof value === 'string' ? `write [${value}]` : '';
    return new FieldError(`must be a list, not ${describe(value)}`, next);
  }
  if (value.length > MAX_ITEMS) return new FieldError(`holds more than ${MAX_ITEMS} items`);
  const wrong = new Map<number, FieldError>();
  const right: T[] = [];
  for (const [index, item] of value.entries()) {
    const one = read(item);
    if (one instanceof FieldError) wrong.set(index, one);
    else right.push(one);
  }
  return wrong.size > 0 ? new FieldError('holds wrong items', '', wrong) : right;
}

function readMeasure(
  value: unknown,
  parse: (text: string) => number | null,
  min: string,
  max: string,
  forms: string,
): number | FieldError {
  if (typeof value === 'number') return new FieldError(`${value} has no unit`, `write it like ${forms}`);
  const parsed = typeof value === 'string' ? parse(value) : null;
  if (parsed === null)
    return new FieldError(`cannot be understood: ${describe(value)}`, `write it like ${forms}`);
  const [low, high] = [parse(min) ?? 0, parse(max) ?? 0];
  return parsed >= low && parsed <= high
    ? parsed
    : new FieldError(`must be from ${min} to ${max}, not ${String(value)}`);
}

/** A short description of a value. Long strings are cut. */
export function describe(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  return `the ${typeof value === 'boolean' ? 'word' : 'number'} ${String(value)}`;
}
