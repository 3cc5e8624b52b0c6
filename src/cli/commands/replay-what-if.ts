/** `sos-ci replay ID --what-if EVENT`: what a history would do with an event. In memory: stores and performs nothing. */
import { sha256 } from '../../app/database-admin.ts';
import type { NumberedRow } from '../../engine/ports/store.ts';
import { eventsTaken } from '../../machines/graph.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import { type HistorySnapshot, requestedKeys } from '../../machines/protocol/row.ts';
import { keysSettledBy } from '../../machines/protocol/settles.ts';
import { contextChanges, type ReplayStep, replayRows } from '../../machines/replay-rows.ts';
import { step } from '../../machines/step.ts';
import { versionOf } from '../../machines/versions.ts';
import { plainText } from '../../terminal-text.ts';
import { parseEvent } from '../input/parse-event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { printField } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';
import { describeStep } from '../player/describe-step.ts';
import { printDifference } from './replay.ts';

/** Exit code 0: the machine takes the event; 1: it ignores it, or the history differs from its replay. @throws CliError */
export function replayWhatIf(
  io: Io,
  rows: readonly NumberedRow[],
  typed: string,
  { json }: { readonly json?: boolean },
): number {
  const { steps, difference } = replayRows(rows, sha256);
  if (difference !== null) {
    printDifference(io, difference);
    return EXIT.negative;
  }
  const last = steps.at(-1);
  if (last === undefined) throw new CliError(EXIT.usage, 'the history has no rows');
  const { event, settles } = eventFor(last.after, typed);
  const [next, failure] = tryStep(rows, last, event, settles);
  if (next === null) {
    if (json) printJson(io, { history: last.row.history, event, settles, failure });
    else io.out(`${paint(io, 'red', 'the machine would throw')}: ${plainText(failure)}\n`);
    return EXIT.negative;
  }
  if (json) printJson(io, whatIfJson(last, next, settles));
  else printWhatIf(io, last, next);
  return next.row.outcome === 'moved' ? EXIT.ok : EXIT.negative;
}

/** @throws CliError that names the events that the machine takes in this state */
function eventFor(stored: HistorySnapshot, typed: string): { event: AnyEvent; settles: string | null } {
  const taken = eventsTaken(versionOf(stored).machine, stored.state);
  const hint = `in ${stored.state}, ${stored.machine} takes: ${taken.join(', ')}`;
  const parsed = parseEvent(typed);
  if ('problem' in parsed) {
    const isField = parsed.name !== null && taken.includes(parsed.name);
    throw new CliError(
      EXIT.usage,
      parsed.problem,
      isField ? `write it as JSON with its fields: '{"type": "${parsed.name}", ...}'` : hint,
    );
  }
  const { event } = parsed;
  if (!taken.includes(event.type))
    throw new CliError(EXIT.negative, `${stored.machine} ignores ${event.type} in ${stored.state}`, hint);
  return { event, settles: parsed.settles ?? settledKey(stored, event) };
}

/** The daemon knows which effect an event settles; here it is the one that is pending. */
function settledKey({ pending }: HistorySnapshot, event: AnyEvent): string | null {
  const keys = keysSettledBy(event, pending);
  const [key = null] = keys;
  if (keys.length < 2) return key;
  throw new CliError(
    EXIT.usage,
    `several pending effects may be settled by ${event.type}: ${plainText(keys.join(', '))}`,
    `name one in the event: {"type": "${event.type}", "settles": "KEY", ...}`,
  );
}

/** The step, or why the machine throws. */
function tryStep(
  rows: readonly NumberedRow[],
  last: ReplayStep<NumberedRow>,
  event: AnyEvent,
  settles: string | null,
): readonly [ReplayStep<NumberedRow>, ''] | readonly [null, string] {
  const { history, machine, at } = last.after;
  const used = new Set(rows.flatMap(requestedKeys));
  const input = { history, machine, event, at, settles, causationId: null };
  try {
    const { row } = step(last.after, input, sha256, (key) => used.has(key));
    const next = replayRows([...rows, { ...row, seq: last.row.seq + 1 }], sha256).steps.at(-1);
    if (next === undefined) throw new Error('the history has no rows');
    return [next, ''];
  } catch (thrown) {
    return [null, thrown instanceof Error ? thrown.message : String(thrown)];
  }
}

function printWhatIf(io: Io, last: ReplayStep<NumberedRow>, next: ReplayStep<NumberedRow>): void {
  const { before, after, row } = { before: last.after, after: next.after, row: next.row };
  const end = after.ended && !before.ended ? ', where it ends' : '';
  io.out(`${paint(io, 'bold', plainText(`${row.history}  what if, after row ${before.version}`))}\n`);
  const { event, ...lists } = describeStep(next, row.at);
  printField(io, 'event', event);
  printField(io, 'before', before.state);
  printField(
    io,
    'after',
    row.outcome === 'moved' ? `${after.state}${end}` : `${after.state} (${row.outcome}: nothing changes)`,
  );
  for (const [name, texts] of Object.entries(lists))
    for (const [index, text] of texts.entries()) printField(io, index === 0 ? name : '', text);
  io.out(`${paint(io, 'dim', '  nothing was stored or performed')}\n`);
}

function whatIfJson(last: ReplayStep<NumberedRow>, next: ReplayStep<NumberedRow>, settles: string | null) {
  const { row, after } = next;
  return {
    history: row.history,
    machine: row.machine,
    afterRow: last.row.version,
    event: { type: row.type, ...row.data },
    settles,
    outcome: row.outcome,
    before: last.after.state,
    after: after.state,
    ended: after.ended,
    changes: contextChanges(next).map(({ path, before = null, after: value = null }) => ({
      path,
      before,
      after: value,
    })),
    requested: row.effects,
    withdrawn: next.withdrawn.map(({ effect }) => effect.key),
    pending: next.pending.map(({ effect }) => effect.key),
  };
}
