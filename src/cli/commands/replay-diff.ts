/** `sos-ci replay ID --diff OTHER`: where two histories of one machine part, and how long each was in each state. */
import type { NumberedRow } from '../../engine/ports/store.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { canonicalJson } from '../../machines/protocol/canonical-json.ts';
import { versionsOf } from '../../machines/versions.ts';
import { plainText } from '../../terminal-text.ts';
import { shortId } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { stateSpans } from '../output/state-spans.ts';
import { type Column, printField, printTable } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';
import { eventText } from '../player/describe-step.ts';

/** The time in a state, in one attempt; null: the history was never there. */
interface StageTimes {
  readonly state: string;
  readonly attempt: number;
  readonly oneMs: number | null;
  readonly otherMs: number | null;
}

/**
 * Exit code 0: both took the same path, and their events say the same; 1: they part, or an event says something else.
 * Times, ids and what differs in every run are not compared. @throws CliError
 */
export function replayDiff(
  io: Io,
  one: readonly NumberedRow[],
  other: readonly NumberedRow[],
  { json }: { readonly json?: boolean },
): number {
  const [first, second] = [one[0], other[0]];
  if (first === undefined || second === undefined) throw new CliError(EXIT.usage, 'a history has no rows');
  if (!versionsOf(first.machine).some((version) => version === second.machine))
    throw new CliError(
      EXIT.usage,
      plainText(`${first.history} is on ${first.machine}, ${second.history} on ${second.machine}`),
      'compare two jobs, two reviews and so on',
    );
  const common = commonRows(one, other);
  const [oneRow = null, otherRow = null] = [one[common], other[common]];
  const isSame = oneRow === null && otherRow === null;
  const differs = firstOtherData(one, other, common);
  const stages = stageTimes(one, other, io.now());
  if (json) {
    const side = ({ history, machine }: NumberedRow, rows: readonly NumberedRow[]) => ({
      history,
      machine,
      rows: rows.length,
    });
    printJson(io, {
      one: side(first, one),
      other: side(second, other),
      common,
      differs: differs === null ? null : { one: rowJson(one[differs]), other: rowJson(other[differs]) },
      parts: isSame ? null : { one: rowJson(oneRow), other: rowJson(otherRow) },
      stages,
    });
  } else {
    const path = `${shortId(first.history)} and ${shortId(second.history)}`;
    if (isSame)
      io.out(`${plainText(path)}: ${paint(io, 'green', 'the same path')}, ${count(common, 'row')}\n`);
    else printParting(io, path, common, [first, oneRow], [second, otherRow]);
    if (differs !== null) {
      io.out(
        `${paint(io, 'yellow', `${isSame ? 'but' : 'before that,'} row ${differs + 1} is the first that says something else`)}\n`,
      );
      printRow(io, [first, one[differs] ?? null], common);
      printRow(io, [second, other[differs] ?? null], common);
    }
    io.out('\n');
    printStages(io, [first, second], stages);
  }
  return isSame && differs === null ? EXIT.ok : EXIT.negative;
}

function commonRows(one: readonly NumberedRow[], other: readonly NumberedRow[]): number {
  const differs = one.findIndex((row, index) => {
    const { type, state, outcome } = other[index] ?? {};
    return row.type !== type || row.state !== state || row.outcome !== outcome;
  });
  return differs === -1 ? one.length : differs;
}

/** What differs between any two runs. */
const VOLATILE: ReadonlySet<string> = new Set([
  ...['adopted', 'bytes', 'dependencies', 'facts', 'files', 'lastLine', 'login', 'pid', 'revision'],
  ...['server', 'skipped', 'trees', 'url'],
]);

/** The index of the first of the common rows whose events say different things, apart from the first row; null: none. */
function firstOtherData(
  one: readonly NumberedRow[],
  other: readonly NumberedRow[],
  common: number,
): number | null {
  const said = (row: NumberedRow | undefined) =>
    canonicalJson(Object.fromEntries(Object.entries(row?.data ?? {}).filter(([key]) => !VOLATILE.has(key))));
  for (let index = 1; index < common; index++) if (said(one[index]) !== said(other[index])) return index;
  return null;
}

type Side = readonly [first: NumberedRow, row: NumberedRow | null];

function printParting(io: Io, path: string, common: number, ...sides: readonly Side[]): void {
  io.out(`${plainText(path)}: ${paint(io, 'red', `they part at row ${common + 1}`)}\n`);
  for (const side of sides) printRow(io, side, common);
}

function printRow(io: Io, [first, row]: Side, common: number): void {
  const text = row === null ? `has only ${count(common, 'row')}` : `${row.state}: ${eventText(row)}`;
  const late = row === null || row.outcome === 'moved' ? '' : ` (${row.outcome})`;
  const after = row === null ? '' : `, +${formatDuration(row.at - first.at)}`;
  printField(io, 'row', `${shortId(first.history)}  ${text}${late}${after}`);
}

function stageTimes(
  one: readonly NumberedRow[],
  other: readonly NumberedRow[],
  now: number,
): readonly StageTimes[] {
  const times = new Map<string, StageTimes>();
  for (const [rows, field] of [
    [one, 'oneMs'],
    [other, 'otherMs'],
  ] as const) {
    for (const { state, attempt, startedAt, endedAt } of stateSpans(rows)) {
      const key = `${state} ${attempt}`;
      const known = times.get(key) ?? { state, attempt, oneMs: null, otherMs: null };
      times.set(key, {
        ...known,
        [field]: (known[field] ?? 0) + (endedAt ?? Math.max(now, startedAt)) - startedAt,
      });
    }
  }
  return [...times.values()];
}

function printStages(
  io: Io,
  [one, other]: readonly [NumberedRow, NumberedRow],
  stages: readonly StageTimes[],
): void {
  const time = (ms: number | null) => (ms === null ? '' : formatDuration(ms));
  const columns: readonly Column<StageTimes>[] = [
    { title: 'STATE', text: ({ state, attempt }) => (attempt > 1 ? `${state} (attempt ${attempt})` : state) },
    { title: shortId(one.history), text: ({ oneMs }) => time(oneMs), right: true },
    { title: shortId(other.history), text: ({ otherMs }) => time(otherMs), right: true },
    { title: 'DIFFERENCE', text: differenceText, right: true },
  ];
  printTable(io, columns, stages);
}

function differenceText({ oneMs, otherMs }: StageTimes): string {
  if (oneMs === null || otherMs === null || oneMs === otherMs) return '';
  const difference = otherMs - oneMs;
  return `${difference < 0 ? '-' : '+'}${formatDuration(Math.abs(difference))}`;
}

function rowJson(row: NumberedRow | null | undefined) {
  if (row === null || row === undefined) return null;
  const { seq, version, type, state, outcome, data } = row;
  return { seq, version, type, state, outcome, data, text: eventText(row) };
}
