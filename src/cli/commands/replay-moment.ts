/** `sos-ci replay ID --at MOMENT` and `--until STATE`: a history as it was at one of its rows. */
import { sha256 } from '../../app/database-admin.ts';
import type { NumberedRow } from '../../engine/ports/store.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import {
  contextChanges,
  type ReplayStep,
  type RequestedEffect,
  replayRows,
} from '../../machines/replay-rows.ts';
import { plainText } from '../../terminal-text.ts';
import { withSource } from '../input/history-source.ts';
import type { StoreLocation } from '../input/open-store.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { eventsJson, pendingJson } from '../output/history-table.ts';
import { printField } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';
import { describeStep } from '../player/describe-step.ts';
import { type FoundRow, findMoment, findState } from '../player/find-row.ts';
import { printDifference } from './replay.ts';

export interface MomentOptions extends StoreLocation {
  readonly all?: boolean;
  readonly at?: string;
  readonly until?: string;
  /** An archive file; needs no database. */
  readonly file?: string;
  readonly json?: boolean;
}

/** Exit code 0; 1 if the history never got there, or differs before. @throws CliError */
export async function replayMomentCommand(
  io: Io,
  typed: string | undefined,
  options: MomentOptions,
): Promise<number> {
  if (options.all) throw new CliError(EXIT.usage, 'use one of --all, --at and --until', EXAMPLE);
  return withSource(options, (source) => showMoment(io, source.rows(typed), options));
}

const EXAMPLE = 'sos-ci replay ID --at 4711; the ids: sos-ci jobs';

function showMoment(io: Io, rows: readonly NumberedRow[], options: MomentOptions): number {
  const { index, at } = foundRow(rows, options, io.now());
  const { steps, difference } = replayRows(rows.slice(0, index + 1), sha256);
  if (difference !== null) {
    printDifference(io, difference);
    return EXIT.negative;
  }
  const step = steps[index];
  const [first, last] = [rows[0], rows.at(-1)];
  if (step === undefined || first === undefined || last === undefined)
    throw new Error('the history has no rows');
  const moment = { rows: last.version, at, start: first.at };
  if (options.json) printJson(io, momentJson(step, moment));
  else printMoment(io, step, moment);
  return EXIT.ok;
}

/** @throws CliError */
export function foundRow(
  rows: readonly NumberedRow[],
  { at, until }: MomentOptions,
  now: number,
): Extract<FoundRow, { index: number }> {
  if (at !== undefined && until !== undefined)
    throw new CliError(EXIT.usage, 'use one of --at and --until', EXAMPLE);
  const row = until === undefined ? findMoment(rows, at ?? '', now) : findState(rows, until);
  if ('index' in row) return row;
  throw new CliError(row.never ? EXIT.negative : EXIT.usage, plainText(row.problem), row.hint);
}

interface Moment {
  /** The newest row of the history. */
  readonly rows: number;
  /** Epoch ms. */
  readonly at: number;
  readonly start: number;
}

function printMoment(io: Io, step: ReplayStep<NumberedRow>, { rows, at, start }: Moment): void {
  const { row, after } = step;
  io.out(`${paint(io, 'bold', plainText(`${row.history}  ${after.state}  (${row.machine})`))}\n`);
  printField(io, 'row', `${row.version} of ${rows}; ${row.seq} of the whole log`);
  printField(io, 'at', `${utc(row.at)}, ${formatDuration(row.at - start)} after the first row`);
  if (at !== row.at) printField(io, 'seen at', `${utc(at)}, ${formatDuration(at - row.at)} later`);
  const { event, ...lists } = describeStep(step, at);
  printField(io, 'event', event, step.failed ? 'red' : null);
  for (const [name, texts] of Object.entries(lists))
    for (const [index, text] of texts.entries()) printField(io, index === 0 ? name : '', text);
}

function momentJson(step: ReplayStep<NumberedRow>, { rows, at, start }: Moment) {
  const { row, after, settled, withdrawn, pending } = step;
  const { history, machine, state, ended, context } = after;
  const [event] = eventsJson([row], start);
  return {
    ...{ history, machine, state, ended, rows, at: iso(at) },
    event,
    changes: contextChanges(step).map(({ path, before = null, after: value = null }) => ({
      ...{ path, before, after: value },
    })),
    settled: settled === null ? null : effectsJson([settled])[0],
    withdrawn: effectsJson(withdrawn),
    requested: row.effects.map((effect) =>
      effect.type === 'sendEvent'
        ? { type: effect.type, to: effect.to, event: effect.event.type }
        : { type: effect.type, key: effect.key },
    ),
    pending: effectsJson(pending),
    context,
  };
}

function effectsJson(effects: readonly RequestedEffect[]) {
  return effects.map(({ effect, version, at }) => ({
    ...pendingJson([{ key: effect.key, effect, requestedAt: at }])[0],
    requestedBy: version,
  }));
}
