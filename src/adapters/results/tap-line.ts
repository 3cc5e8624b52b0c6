/** Parses one line of a TAP file without context. A line that is not TAP yields null. */
import { plainText } from '../../terminal-text.ts';

export interface TapPoint {
  readonly kind: 'point';
  /** The nesting level of subtests: four spaces each. */
  readonly depth: number;
  readonly ok: boolean;
  /** Null: not numbered. */
  readonly number: number | null;
  /** Sanitized for display. */
  readonly name: string;
  /** True for SKIP and TODO: the outcome does not count. */
  readonly excused: boolean;
  /** The line ends with `{`: subtests may follow, ended by `}`. */
  readonly brace: boolean;
}

export type TapLine =
  | TapPoint
  | { readonly kind: 'plan'; readonly depth: number; readonly count: number }
  | { readonly kind: 'bailOut'; readonly reason: string }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'strict'; readonly on: boolean }
  /** `{` after a test and its details, or `}` after its subtests. */
  | { readonly kind: 'open' | 'close'; readonly depth: number };

const REASON_LENGTH = 200;

export function parseTapLine(text: string): TapLine | null {
  const indent = /^ */.exec(text)?.[0].length ?? 0;
  const content = text.slice(indent);
  if (indent % 4 !== 0 || !/^(ok|not|1\.\.|bail|tap|pragma|[{}])/i.test(content)) return null;
  const depth = indent / 4;
  const bail = /^bail out!\s*(.*)$/i.exec(content);
  if (bail !== null) return { kind: 'bailOut', reason: plainText(bail[1] ?? '').slice(0, REASON_LENGTH) };
  const version = /^TAP version (\d+)\s*$/i.exec(content);
  if (version !== null) return { kind: 'version', version: Number(version[1]) };
  const plan = /^1\.\.(\d+)\s*(#.*)?$/.exec(content);
  if (plan !== null) return { kind: 'plan', depth, count: Number(plan[1]) };
  const strict = /^pragma ([+-])strict\s*$/.exec(content);
  if (strict !== null) return { kind: 'strict', on: strict[1] === '+' };
  if (content === '{' || content === '}') return { kind: content === '{' ? 'open' : 'close', depth };
  return parsePoint(content, depth);
}

function parsePoint(content: string, depth: number): TapPoint | null {
  const point = /^(not )?ok\b(?:\s*(\d+)(?=\s|$))?(.*)$/.exec(content);
  if (point === null) return null;
  const ok = point[1] === undefined;
  const whole = (point[3] ?? '').trim().replace(/^-\s*/, '');
  const brace = /(^|\s)\{$/.test(whole);
  const description = brace ? whole.slice(0, -1).trim() : whole;
  // A hash in the name is escaped, so no white space precedes it directly.
  const directive = /(?:^|\s)#\s*(?:skip|todo)(?=[\s:]|$)/i.exec(description);
  // Older runners write `# skipped: why`. It does not excuse a failure, and such a test does not count as passed.
  const skipped = ok && /(?:^|\s)#\s*skip/i.test(description);
  const name = directive === null ? description : description.slice(0, directive.index);
  return {
    kind: 'point',
    depth,
    ok,
    number: point[2] === undefined ? null : Number(point[2]),
    name: plainText(name.replace(/\\([\\#])/g, '$1').trim()),
    excused: directive !== null || skipped,
    brace,
  };
}
