/**
 * The regular expressions of a configuration. The engine runs in linear time, and pattern, program and text are
 * bounded, so neither a pattern nor a text can block the daemon. A pattern matches anywhere in a text; `^` and `$`
 * anchor it.
 */
import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';

type Engine = Pick<typeof import('re2js'), 'RE2JS'>;

const load = createRequire(import.meta.url);
/** Loaded with the first pattern: the commands that only show something need none, and it takes 20 ms. */
const engine = (): Engine['RE2JS'] => (load('re2js') as Engine).RE2JS;

/** Maximum length of a pattern. */
const PATTERN_LIMIT = 500;
/** Maximum number of instructions of a compiled pattern: the cost of a match grows with them. */
const PROGRAM_LIMIT = 1_000;
/** Characters of a text that are searched: Gerrit's limit for a comment. */
const TEXT_LIMIT = 16_384;
/** Maximum number of cached compiled patterns. */
const CACHE_LIMIT = 500;

const cache = new Map<string, RE2JS | null>();

/**
 * True when the pattern is found in the text. An invalid pattern never matches; the configuration's check rejects it.
 */
export function finds(pattern: string, text: string): boolean {
  return compiled(pattern)?.test(text.slice(0, TEXT_LIMIT)) ?? false;
}

/** What is wrong with a pattern and how to fix it; null for a valid one. */
export function patternProblem(pattern: string): { readonly what: string; readonly next: string } | null {
  if (pattern === '') return { what: 'holds an empty pattern', next: 'remove it: it would match everything' };
  if (pattern.length > PATTERN_LIMIT) {
    return { what: `holds a pattern of more than ${PATTERN_LIMIT} characters`, next: 'write several' };
  }
  try {
    const size = engine().compile(pattern).programSize();
    return size <= PROGRAM_LIMIT
      ? null
      : { what: `${JSON.stringify(pattern)} is too large a pattern`, next: 'repeat less, or write several' };
  } catch (thrown) {
    const why =
      thrown instanceof Error ? thrown.message.replace(/^error parsing regexp: /, '') : 'unreadable';
    return {
      what: `${JSON.stringify(pattern)} is not a regular expression: ${why}`,
      next: adviceFor(pattern),
    };
  }
}

function adviceFor(pattern: string): string {
  if (/^[*?]/.test(pattern)) return 'this is not a glob: any text is .*, one character is .';
  return /\(\?<?[=!]|\\[1-9]/.test(pattern)
    ? 'lookaround and backreferences are not supported: their run time has no bound'
    : 'the syntax is that of RE2 (https://github.com/google/re2/wiki/Syntax)';
}

function compiled(pattern: string): RE2JS | null {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  if (cache.size >= CACHE_LIMIT) cache.clear();
  const compiledPattern = patternProblem(pattern) === null ? engine().compile(pattern) : null;
  cache.set(pattern, compiledPattern);
  return compiledPattern;
}
