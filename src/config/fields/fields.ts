/**
 * The kinds of value that the configuration file knows. Each carries what docs/configuration.md says of it (kind, default,
 * meaning), and says in its own words what is wrong with a value and how to write it.
 */
import { z } from 'zod';
import { nearest } from '../file/config-error.ts';
import { parseDuration, parseSize } from './units.ts';

/** What is known of a key beside its name. */
export interface LeafDoc {
  readonly kind: string;
  /** As it would be written in the file; undefined: the key is required; null: nothing. */
  readonly default: string | null | undefined;
  readonly about: string;
}

/** What is wrong, and what to do next. */
export class Wrong {
  readonly what: string;
  readonly next: string;
  /** What is wrong with single items of a list, by their index; empty: the whole value is meant. */
  readonly items: ReadonlyMap<number, Wrong>;

  constructor(what: string, next = '', items: ReadonlyMap<number, Wrong> = new Map()) {
    this.what = what;
    this.next = next;
    this.items = items;
  }
}

const docs = new WeakMap<object, LeafDoc>();

export function leafDoc(schema: object): LeafDoc | undefined {
  return docs.get(schema);
}

/** A key whose value `read` turns into a T; when it is absent or empty, `fallback` is read instead, if there is one. */
function leaf<T>(doc: LeafDoc, fallback: unknown, read: (value: unknown) => T | Wrong) {
  const schema = z
    .unknown()
    .optional()
    .transform((value, context): T => {
      const missing = value === undefined;
      const outcome =
        missing && doc.default === undefined
          ? new Wrong('is missing', `add it: ${doc.about}`)
          : value === null && fallback !== null
            ? new Wrong('has no value', 'write one, or remove the key')
            : read(missing ? fallback : value);
      if (!(outcome instanceof Wrong)) return outcome;
      const whole = outcome.items.size === 0;
      for (const [index, { what, next }] of whole ? [[0, outcome] as const] : outcome.items) {
        context.addIssue({ code: 'custom', message: what, params: { next }, path: whole ? [] : [index] });
      }
      return z.NEVER;
    });
  docs.set(schema, doc);
  return schema;
}

interface Described<D = string> {
  readonly about: string;
  readonly default?: D;
}

/** Checks a text; null when it is right. */
export type TextCheck = (text: string) => Wrong | null;

export function text(options: Described & { readonly kind?: string; readonly check?: TextCheck }) {
  const shown = options.default === '' ? "''" : options.default;
  const doc = { kind: options.kind ?? 'text', default: shown, about: options.about };
  return leaf(doc, options.default, (value) => readText(value, options.check));
}

/** A text that may be absent. */
export function optionalText(options: {
  readonly about: string;
  readonly kind?: string;
  readonly check?: TextCheck;
}) {
  return leaf(
    { kind: options.kind ?? 'text', default: null, about: options.about },
    null,
    (value): string | null | Wrong => (value === null ? null : readText(value, options.check)),
  );
}

export function flag(options: { readonly about: string; readonly default: boolean }) {
  return leaf(
    { kind: 'true or false', default: String(options.default), about: options.about },
    options.default,
    (value) => (typeof value === 'boolean' ? value : new Wrong(`must be true or false, not ${named(value)}`)),
  );
}

export function integer(options: Described<number> & Range) {
  const doc = {
    kind: `number, ${options.min} to ${options.max}`,
    default: options.default?.toString(),
    about: options.about,
  };
  return leaf(doc, options.default, (value) => readInteger(value, options));
}

/** A number that may be absent. */
export function optionalInteger(options: Range & { readonly about: string }) {
  const doc = { kind: `number, ${options.min} to ${options.max}`, default: null, about: options.about };
  return leaf(doc, null, (value): number | null | Wrong =>
    value === null ? null : readInteger(value, options),
  );
}

/** A list of numbers, empty by default. */
export function integers(options: Range & { readonly about: string }) {
  const kind = `list of numbers, ${options.min} to ${options.max}`;
  return leaf({ kind, default: '[]', about: options.about }, [], (value) =>
    readList(value, (item) => readInteger(item, options)),
  );
}

export function duration(options: Described & { readonly min?: string; readonly max?: string }) {
  const doc = { kind: 'duration', default: options.default, about: options.about };
  const [min, max] = [options.min ?? '1ms', options.max ?? '30d'];
  return leaf(doc, options.default, (value) =>
    readMeasure(value, parseDuration, min, max, '500ms, 30s, 10m, 4h, 2d or 1h30m'),
  );
}

export function size(options: Described & { readonly min?: string; readonly max?: string }) {
  const doc = { kind: 'size', default: options.default, about: options.about };
  const [min, max] = [options.min ?? '1B', options.max ?? '1024GB'];
  return leaf(doc, options.default, (value) =>
    readMeasure(value, parseSize, min, max, '500B, 64KB, 8MB or 1GB'),
  );
}

export function choice<const C extends string>(options: Described<C> & { readonly of: readonly C[] }) {
  const doc = { kind: options.of.join(', '), default: options.default, about: options.about };
  return leaf(doc, options.default, (value): C | Wrong => {
    const found = options.of.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    const near = typeof value === 'string' ? nearest(value, options.of) : null;
    return new Wrong(
      `must be one of ${options.of.join(', ')}, not ${named(value)}`,
      near === null ? '' : `did you mean "${near}"?`,
    );
  });
}

/** A list of texts, each checked. */
export function texts(
  options: Described & {
    readonly kind: string;
    readonly check: TextCheck;
    readonly fallback: readonly string[];
  },
) {
  const doc = { kind: options.kind, default: options.default, about: options.about };
  return leaf(doc, options.fallback, (value) => readList(value, (item) => readText(item, options.check)));
}

/** One text or a list of texts. Required. */
export function textOrTexts(options: {
  readonly about: string;
  readonly kind: string;
  readonly check: TextCheck;
}) {
  const doc = { kind: options.kind, default: undefined, about: options.about };
  return leaf(doc, undefined, (value): readonly string[] | Wrong => {
    if (Array.isArray(value) && value.length === 0) return new Wrong('is empty', 'name at least one');
    if (Array.isArray(value)) return readList(value, (item) => readText(item, options.check));
    const read = readText(value, options.check);
    return read instanceof Wrong ? read : [read];
  });
}

/** Program and arguments. */
export function command(options: { readonly about: string }) {
  const doc = { kind: COMMAND_KIND, default: undefined, about: options.about };
  return leaf(doc, undefined, readCommand);
}

/** Program and arguments that may be absent. */
export function optionalCommand(options: { readonly about: string }) {
  return leaf(
    { kind: COMMAND_KIND, default: null, about: options.about },
    null,
    (value): readonly string[] | null | Wrong => (value === null ? null : readCommand(value)),
  );
}

const COMMAND_KIND = 'list: program, arguments';

function readCommand(value: unknown): readonly string[] | Wrong {
  if (typeof value === 'string') {
    return new Wrong(
      'must be a list of program and arguments, because no shell reads it; not one text',
      `write [${value.trim().split(/\s+/).join(', ')}], or for a shell [sh, -c, ${JSON.stringify(value)}]`,
    );
  }
  if (!Array.isArray(value)) return new Wrong(`must be a list of program and arguments, not ${named(value)}`);
  if (value.length === 0) return new Wrong('is empty', 'name the program and its arguments');
  const bad = value.findIndex((item) => typeof item !== 'string');
  if (bad >= 0)
    return new Wrong(`must hold texts only: item ${bad + 1} is ${named(value[bad])}`, 'put it in quotes');
  const argv = value as readonly string[];
  if (argv[0]?.trim() === '') return new Wrong('begins with an empty program name');
  return argv.some((item) => item.includes('\0')) ? new Wrong('holds a NUL character') : argv;
}

function readText(value: unknown, check: TextCheck | undefined): string | Wrong {
  if (typeof value !== 'string') {
    const quote = typeof value === 'number' || typeof value === 'boolean' ? 'put it in quotes' : '';
    return new Wrong(`must be text, not ${named(value)}`, quote);
  }
  if (/\p{Cc}/u.test(value)) return new Wrong('holds a control character or a line end');
  return check?.(value) ?? value;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function readInteger(value: unknown, { min, max }: Range): number | Wrong {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    return new Wrong(`must be a whole number, not ${named(value)}`);
  }
  return value >= min && value <= max ? value : new Wrong(`must be from ${min} to ${max}, not ${value}`);
}

/** Items of a list, at most so many that reading them stays cheap. */
function readList<T>(value: unknown, read: (item: unknown) => T | Wrong): readonly T[] | Wrong {
  if (!Array.isArray(value)) {
    const next = typeof value === 'string' ? `write [${value}]` : '';
    return new Wrong(`must be a list, not ${named(value)}`, next);
  }
  if (value.length > LIST_LIMIT) return new Wrong(`holds more than ${LIST_LIMIT} items`);
  const wrong = new Map<number, Wrong>();
  const right: T[] = [];
  for (const [index, item] of value.entries()) {
    const one = read(item);
    if (one instanceof Wrong) wrong.set(index, one);
    else right.push(one);
  }
  return wrong.size > 0 ? new Wrong('holds wrong items', '', wrong) : right;
}

const LIST_LIMIT = 100;

function readMeasure(
  value: unknown,
  parse: (text: string) => number | null,
  min: string,
  max: string,
  forms: string,
): number | Wrong {
  if (typeof value === 'number') return new Wrong(`${value} has no unit`, `write it like ${forms}`);
  const parsed = typeof value === 'string' ? parse(value) : null;
  if (parsed === null) return new Wrong(`can not be understood: ${named(value)}`, `write it like ${forms}`);
  const [low, high] = [parse(min) ?? 0, parse(max) ?? 0];
  return parsed >= low && parsed <= high
    ? parsed
    : new Wrong(`must be from ${min} to ${max}, not ${String(value)}`);
}

/** A value in a few words. Texts are cut: they may be long. */
export function named(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  return `the ${typeof value === 'boolean' ? 'word' : 'number'} ${String(value)}`;
}
