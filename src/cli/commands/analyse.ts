/** `sos-ci replay` with an option that asks for more than a comparison: chooses the analysis, and loads only that one. */
import type { NumberedRow } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import { type HistorySource, withSource } from '../input/history-source.ts';
import type { StoreLocation } from '../input/open-store.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';
import { findMoment, findState } from '../player/find-row.ts';
import type { PictureOptions } from './replay-picture.ts';

export interface AnalysisOptions extends PictureOptions, StoreLocation {
  readonly file?: string;
  readonly all?: boolean;
  /** Only the rows up to this moment, or up to this state. */
  readonly at?: string;
  readonly until?: string;
  /** Another version of the history's machine. */
  readonly machine?: string;
  /** An event: JSON, or the name of one without fields. */
  readonly whatIf?: string;
  /** The history to compare with. */
  readonly diff?: string;
}

/** The options that each choose an analysis. */
const ANALYSES = ['picture', 'machine', 'whatIf', 'diff'] as const;
type Analysis = (typeof ANALYSES)[number];

/** Null: the options only ask for the strict replay. @throws CliError when they ask for several analyses */
export function analysisOf(options: AnalysisOptions): Analysis | null {
  const chosen = ANALYSES.filter((analysis) => asksFor(options, analysis));
  const [first = null] = chosen;
  if (first === null) return null;
  if (chosen.length === 1 && options.all !== true) return first;
  throw new CliError(EXIT.usage, 'one analysis of one history at a time', 'see: sos-ci help replay');
}

function asksFor({ format, gantt, machine, whatIf, diff }: AnalysisOptions, analysis: Analysis): boolean {
  switch (analysis) {
    case 'picture':
      return format !== undefined || gantt === true;
    case 'machine':
      return machine !== undefined;
    case 'whatIf':
      return whatIf !== undefined;
    case 'diff':
      return diff !== undefined;
  }
}

export async function analyseCommand(
  io: Io,
  analysis: Analysis,
  typed: string | undefined,
  options: AnalysisOptions,
): Promise<number> {
  return withSource(options, (source) => analyse(io, analysis, source, typed, options));
}

export async function analyse(
  io: Io,
  analysis: Analysis,
  source: HistorySource,
  typed: string | undefined,
  options: AnalysisOptions,
): Promise<number> {
  const rows = upTo(source.rows(typed), options, io.now());
  switch (analysis) {
    case 'picture':
      return (await import('./replay-picture.ts')).replayPicture(io, rows, options);
    case 'machine':
      return (await import('./replay-machine.ts')).replayMachine(io, rows, options.machine ?? '', options);
    case 'whatIf':
      return (await import('./replay-what-if.ts')).replayWhatIf(io, rows, options.whatIf ?? '', options);
    case 'diff':
      return (await import('./replay-diff.ts')).replayDiff(io, rows, source.rows(options.diff), options);
  }
}

/** The rows up to `--at` or `--until`. */
function upTo(
  rows: readonly NumberedRow[],
  { at, until }: AnalysisOptions,
  now: number,
): readonly NumberedRow[] {
  if (at === undefined && until === undefined) return rows;
  const found = at === undefined ? findState(rows, until ?? '') : findMoment(rows, at, now);
  if ('index' in found) return rows.slice(0, found.index + 1);
  throw new CliError(found.never ? EXIT.negative : EXIT.usage, plainText(found.problem), found.hint);
}
