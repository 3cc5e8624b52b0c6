/** What one line of a TAP file is, by itself. Everything that is not TAP is noise and comes out as null. */
import { plainText } from '../../plain-text.ts';

export interface TapPoint {
  readonly kind: 'point';
  /** Levels of subtests around it: four spaces each. */
  readonly depth: number;
  readonly ok: boolean;
  /** Null: not numbered. */
  readonly number: number | null;
  /** Safe to show. */
  readonly name: string;
  /** True for SKIP and TODO: its outcome does not matter. */
  readonly excused: boolean;
}

export type TapLine =
  | TapPoint
  | { readonly kind: 'plan'; readonly depth: number; readonly count: number }
  | { readonly kind: 'bailOut'; readonly reason: string }
  | { readonly kind: 'version'; readonly version: number };

const REASON_LENGTH = 200;

export function parseTapLine(text: string): TapLine | null {
  const content = text.trimStart();
  const indent = text.length - content.length;
  if (indent % 4 !== 0 || !/^(ok|not|1\.\.|bail|tap)/i.test(content)) return null;
  const depth = indent / 4;
  const bail = /^bail out!\s*(.*)$/i.exec(content);
  if (bail !== null) return { kind: 'bailOut', reason: plainText(bail[1] ?? '').slice(0, REASON_LENGTH) };
  const version = /^TAP version (\d+)\s*$/i.exec(content);
  if (version !== null) return { kind: 'version', version: Number(version[1]) };
  const plan = /^1\.\.(\d+)\s*(#.*)?$/.exec(content);
  if (plan !== null) return { kind: 'plan', depth, count: Number(plan[1]) };
  return parsePoint(content, depth);
}

function parsePoint(content: string, depth: number): TapPoint | null {
  const point =
    /^(not )?ok(?=\s|$)\s*(\d+)?(?=\s|$)(.*)$/.exec(content) ?? /^(not )?ok()(\s.*)$/.exec(content);
  if (point === null) return null;
  const description = (point[3] ?? '').trim().replace(/^-\s*/, '');
  // A hash that is part of the name is escaped, so it has no white space before it.
  const directive = /(?:^|\s)#\s*(skip|todo)/i.exec(description);
  const name = directive === null ? description : description.slice(0, directive.index);
  return {
    kind: 'point',
    depth,
    ok: point[1] === undefined,
    number: point[2] ? Number(point[2]) : null,
    name: plainText(name.replace(/\\([\\#])/g, '$1').trim()),
    excused: directive !== null,
  };
}
