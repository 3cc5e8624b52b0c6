/**
 * A YAML file read with the location of every value, for error messages. Size, aliases and depth are bounded. Anchors
 * and aliases work; merge keys (`<<`) do not, because a merged mapping hides the origin of a value.
 */
import { readFileSync, statSync } from 'node:fs';
import {
  type Document,
  isAlias,
  isMap,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  stringify,
  visit,
} from 'yaml';
import { errorText } from '../../errors.ts';
import type { Problem } from './config-error.ts';

const LIMIT_BYTES = 1024 * 1024;
const LIMIT_ALIASES = 100;

export interface SourcePosition {
  readonly line: number;
  readonly column: number;
}

export type KeyPath = readonly (string | number)[];

/** Reports an error at a value, or at its key. */
export type ReportProblem = (path: KeyPath, what: string, next: string, at?: 'value' | 'key') => void;

export interface YamlDocument {
  /** Plain JavaScript value; undefined when the text is not YAML. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** The location of the value; for an absent one, that of the nearest enclosing value. */
  position(path: KeyPath): SourcePosition;
  /** The location of the key. */
  keyPosition(path: KeyPath): SourcePosition;
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path of plain data; undefined when there is none. */
export function at(value: unknown, path: KeyPath): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Readonly<Record<string | number, unknown>>)[step];
  }
  return current;
}

/** Merges mappings key by key; for other values, the second one wins. */
export function merge(
  first: Readonly<Record<string, unknown>>,
  second: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const joined = Object.entries(second).map(([key, value]) => {
    const earlier = at(first, [key]);
    return [key, isMapping(earlier) && isMapping(value) ? merge(earlier, value) : value] as const;
  });
  return { ...first, ...Object.fromEntries(joined) };
}

/** A job as YAML for a configuration file. */
export function jobText(name: string, job: Readonly<Record<string, unknown>>): string {
  return stringify({ jobs: { [name]: job } }, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** The file's text, or why it cannot be read. */
export function readText(path: string): { readonly text: string } | { readonly problem: Problem } {
  try {
    const info = statSync(path);
    if (info.isDirectory()) return cannot('is a directory, not a file', 'name the YAML file in it');
    if (!info.isFile()) return cannot('is not a regular file', 'name a YAML file');
    if (info.size > LIMIT_BYTES) {
      return cannot(
        `is larger than 1 MB (${info.size} bytes)`,
        'this is hardly a configuration; name another file',
      );
    }
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)) };
  } catch (error) {
    return cannotRead(error);
  }
}

/** @param version 1.1, for files of Python programs: it has merge keys, and unknown tags are ignored */
export function parseYaml(text: string, version: '1.1' | '1.2' = '1.2'): YamlDocument {
  const counter = new LineCounter();
  const at = (offset: number): SourcePosition => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  try {
    const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, version });
    const broken = document.errors.some((error) => error.code !== 'DUPLICATE_KEY');
    const ignored = version === '1.1' ? [] : document.warnings;
    const problems = [
      ...[...document.errors, ...ignored.filter(({ code }) => code === UNKNOWN_TAG)].map((error) =>
        syntaxProblem(error.code, error.message, at(error.pos[0])),
      ),
      ...(version === '1.1' || broken ? [] : changedNumbers(document, at)),
    ];
    const value: unknown = broken ? undefined : document.toJS({ maxAliasCount: LIMIT_ALIASES });
    // A TypeError if a value contains an alias of itself.
    JSON.stringify(value);
    return {
      value,
      problems,
      position: (path) => at(findNode(document, path, false)),
      keyPosition: (path) => at(findNode(document, path, true)),
    };
  } catch (error) {
    const what =
      error instanceof RangeError
        ? 'is nested too deep'
        : error instanceof TypeError
          ? 'a value contains an alias of itself'
          : errorText(error);
    const start = { line: 1, column: 1 };
    const problem = { ...start, path: '', what, next: 'write the values out where they are used' };
    return { value: undefined, problems: [problem], position: () => start, keyPosition: () => start };
  }
}

function cannot(what: string, next: string): { readonly problem: Problem } {
  return { problem: { line: 0, column: 0, path: '', what, next } };
}

function cannotRead(error: unknown): { readonly problem: Problem } {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'ENOENT') {
    return cannot('there is no such file', 'name one with --config FILE, or start with: sos-ci init');
  }
  if (code === 'EACCES' || code === 'EPERM')
    return cannot('may not be read by this user', 'correct its owner or mode');
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return cannot('is not UTF-8 text', 'save it as UTF-8');
  return cannot(`cannot be read: ${errorText(error)}`, 'name another file with --config FILE');
}

const UNKNOWN_TAG = 'TAG_RESOLVE_FAILED';
const SYNTAX: Readonly<Record<string, readonly [what: string, next: string]>> = {
  DUPLICATE_KEY: ['this key occurs twice', 'keep one of the two'],
  TAB_AS_INDENT: ['a tab is used to indent', 'indent with spaces'],
  MULTIPLE_DOCS: ['a second document begins here (---)', 'keep one document in the file'],
  BAD_INDENT: ['the indentation does not fit', 'indent the keys of one mapping alike'],
  [UNKNOWN_TAG]: ['tags are not supported', 'put the value into a file of variableFiles'],
};

function syntaxProblem(code: string, message: string, position: SourcePosition): Problem {
  const [what, next] = SYNTAX[code] ?? [`not valid YAML: ${message}`, 'correct the syntax'];
  return { ...position, path: '', what, next };
}

/** Integers that would lose leading zeros or digits, such as serial numbers without quotes. */
function changedNumbers(document: Document, at: (offset: number) => SourcePosition): readonly Problem[] {
  const found: Problem[] = [];
  visit(document, {
    Scalar: (_key, { value, source = '', range }) => {
      if (typeof value !== 'number') return;
      const isInexact = !Number.isSafeInteger(value) && /^([-+]?\d+|0[xo]\w+)$/.test(source);
      if (!isInexact && !/^[-+]?0\d+$/.test(source)) return;
      const what = `the number ${source} would become ${value}`;
      found.push({ ...at(range?.[0] ?? 0), path: '', what, next: 'put it in quotes' });
    },
  });
  return found;
}

/** The offset of the deepest existing node on the path; of its key when `key` is set and the whole path exists. */
function findNode(document: Document, path: KeyPath, key: boolean): number {
  let node: Node | null | undefined = document.contents as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    let next: Node | null | undefined;
    if (isMap(node)) {
      const pair = node.items.find((item) => keyText(item.key) === String(step));
      if (pair === undefined) return offset;
      const keyOffset = (pair.key as Node | null)?.range?.[0] ?? offset;
      if (key && index === path.length - 1) return keyOffset;
      next = pair.value as Node | null;
      offset = next?.range?.[0] ?? keyOffset;
    } else if (isSeq(node)) {
      next = node.items[Number(step)] as Node | undefined;
      if (next === undefined) return offset;
      offset = next?.range?.[0] ?? offset;
    } else {
      return offset;
    }
    node = next;
  }
  return offset;
}

function keyText(key: unknown): string {
  return typeof key === 'object' && key !== null && 'value' in key ? String(key.value) : String(key);
}
