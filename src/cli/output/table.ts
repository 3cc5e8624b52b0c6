/**
 * Text in columns: display width, cutting, padding, wrapping and tables. Escapes control characters before measuring, so that
 * a cell is as wide as it looks.
 */
import { plainText } from '../../terminal-text.ts';
import { type Io, type Paint, paint } from './terminal.ts';

const ZERO = /^[\p{Mn}\p{Me}]$/u;
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;
const NARROW = /^[\u0020-\u02ff]*$/;

/** The display width of the text. */
export function textWidth(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** The text, cut with an ellipsis if it is too wide. */
export function cut(text: string, width: number): string {
  return textWidth(text) <= width ? text : `${prefix(text, width - 1)}…`;
}

/** Like `cut`, but keeps the end. */
function cutStart(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const reversed = [...text].reverse().join('');
  return `…${[...prefix(reversed, width - 1)].reverse().join('')}`;
}

/** As many characters as fit. */
function prefix(text: string, width: number): string {
  let taken = '';
  let used = 0;
  for (const character of text) {
    used += characterWidth(character);
    if (used > width) break;
    taken += character;
  }
  return taken;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - textWidth(text))) + text;
}

/** A column of `width`, at least one space at its end: text that is too wide moves the next column. */
export function columnOf(text: string, width: number): string {
  return `${padEnd(text, width - 1)} `;
}

/** Lines of at most `width` columns, broken at spaces where that is possible. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (textWidth(joined) <= width) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (textWidth(line) > width) {
      const fitting = prefix(line, width);
      if (fitting === '') break;
      lines.push(fitting);
      line = line.slice(fitting.length);
    }
  }
  return [...lines, line];
}

/** One `name  text` line of a head, wrapped. */
export function printField(io: Io, name: string, text: string, color: Paint | null = null): void {
  const lines = wrap(plainText(text), io.width - 12);
  for (const [index, line] of lines.entries()) {
    const label = columnOf(index === 0 ? name : '', 10);
    io.out(`  ${paint(io, 'dim', label)}${color === null ? line : paint(io, color, line)}\n`);
  }
}

export interface Column<Row> {
  readonly title: string;
  text(row: Row): string;
  readonly right?: boolean;
  /** Cut at its start: names of tests differ at their ends. */
  readonly keepEnd?: boolean;
  paint?(row: Row): Paint | null;
  /** Dropped from a narrow table before any other column is cut, the lowest first. */
  readonly dropOrder?: number;
  /** Of the last column: before it is narrower, other columns are dropped or cut. */
  readonly minWidth?: number;
}

/** The minimum width of a cut column. */
const MIN_WIDTH = 4;
const MIN_LAST_WIDTH = 8;
const GAP = 2;

/**
 * Prints a table that fits the terminal, without titles if `io.header` is false: cuts the last column, then drops columns
 * by `dropOrder`, then cuts the widest.
 */
export function printTable<Row>(io: Io, all: readonly Column<Row>[], rows: readonly Row[]): void {
  const columns = fittingColumns(all, rows, io.width);
  const cells = rows.map((row) => columns.map((column) => plainText(column.text(row))));
  const widths = shrunk(naturalWidths(columns, rows), io.width, minLastWidth(columns));
  const last = widths.length - 1;
  const line = (texts: readonly string[], colorOf: (index: number) => Paint | null): string =>
    texts
      .map((text, index) => {
        const width = widths[index] ?? 0;
        const fitted = columns[index]?.keepEnd ? cutStart(text, width) : cut(text, width);
        const padded = columns[index]?.right ? padStart(fitted, width) : padEnd(fitted, width);
        const color = colorOf(index);
        const shown = index === last ? padded.trimEnd() : padded;
        return color === null ? shown : paint(io, color, shown);
      })
      .join('  ')
      .trimEnd();
  const titles = columns.map((column) => column.title);
  if (io.header) io.out(`${line(titles, () => 'dim')}\n`);
  for (const [index, row] of rows.entries()) {
    io.out(`${line(cells[index] ?? [], (column) => columns[column]?.paint?.(row) ?? null)}\n`);
  }
}

function naturalWidths<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): readonly number[] {
  return columns.map((column) =>
    Math.max(column.title.length, ...rows.map((row) => textWidth(plainText(column.text(row))))),
  );
}

function fittingColumns<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): readonly Column<Row>[] {
  const natural = naturalWidths(columns, rows);
  const last = Math.min(natural.at(-1) ?? 0, minLastWidth(columns));
  if (total([...natural.slice(0, -1), last]) <= width) return columns;
  const spare = Math.min(...columns.map((column) => column.dropOrder ?? Number.POSITIVE_INFINITY));
  if (spare === Number.POSITIVE_INFINITY) return columns;
  const rest = columns.filter((column) => column.dropOrder !== spare);
  return fittingColumns(rest, rows, width);
}

function minLastWidth<Row>(columns: readonly Column<Row>[]): number {
  return columns.at(-1)?.minWidth ?? MIN_LAST_WIDTH;
}

function shrunk(natural: readonly number[], width: number, minLast: number): readonly number[] {
  const widths = [...natural];
  const last = widths.length - 1;
  const before = total(widths.slice(0, last)) + GAP;
  widths[last] = Math.min(widths[last] ?? 0, Math.max(minLast, width - before));
  while (total(widths) > width) {
    const widest = Math.max(...widths);
    if (widest <= MIN_WIDTH) break;
    widths[widths.lastIndexOf(widest)] = widest - 1;
  }
  return widths;
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + GAP * Math.max(0, widths.length - 1);
}

function characterWidth(character: string): number {
  if (ZERO.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
