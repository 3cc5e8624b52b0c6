/** The rows of one history and its pending effects, as text and as JSON (docs/cli.md). */
import type { NumberedRow, OutboxEntry } from '../../engine/ports/store.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { plainText } from '../../terminal-text.ts';
import { effectText, pendingText } from './effect.ts';
import { rowText } from './event.ts';
import { startedAttempt, topState } from './state-spans.ts';
import { columnOf, cut, padStart, textWidth, wrap } from './table.ts';
import { type Io, paint } from './terminal.ts';
import { iso, utc } from './time.ts';

/** Width of the time, and the minimum of the state: a job's longest state fits. */
const TIME_WIDTH = 15;
const STATE_WIDTH = 11;

/** @param start prints times relative to this; null: absolute times */
export function printRows(io: Io, start: number | null, rows: readonly NumberedRow[]): void {
  const state = stateWidth(io, rows);
  const margin = TIME_WIDTH + state;
  let before = '';
  for (const row of rows) {
    const current = topState(row.state);
    const shown = current === before ? '' : cut(current, state - 1);
    before = current;
    const attempt = startedAttempt(row);
    const time = start === null ? `${utc(row.at).slice(5, -4)} ` : `+${formatDuration(row.at - start)}  `;
    const head = padStart(time, TIME_WIDTH);
    const label = paint(io, 'bold', columnOf(shown, state));
    const again = attempt !== null && attempt > 1 ? ` (attempt ${attempt})` : '';
    const lines = wrap(plainText(rowText(row) + again), io.width - margin);
    for (const [index, line] of lines.entries()) {
      const indent = index === 0 ? `${paint(io, 'dim', head)}${label}` : ' '.repeat(margin);
      io.out(`${indent}${line}\n`);
    }
    const requested = row.effects.map(effectText).filter((text) => text !== null);
    if (requested.length === 0) continue;
    for (const [index, line] of wrap(plainText(requested.join('; ')), io.width - margin - 3).entries()) {
      io.out(`${' '.repeat(margin)}${paint(io, 'dim', `${index === 0 ? '-> ' : '   '}${line}`)}\n`);
    }
  }
}

/** As wide as the widest state and a space, and at most a third of the terminal. */
function stateWidth(io: Io, rows: readonly NumberedRow[]): number {
  const widest = Math.max(0, ...rows.map((row) => textWidth(topState(row.state)) + 1));
  return Math.max(STATE_WIDTH, Math.min(widest, Math.floor(io.width / 3)));
}

export function printPending(io: Io, pending: readonly OutboxEntry[]): void {
  io.out('\n');
  if (pending.length === 0) {
    io.out('  nothing is pending\n');
    return;
  }
  io.out('  pending:\n');
  const now = io.now();
  for (const item of pending) {
    const requested =
      item.effect.type === 'setTimer' ? '' : `  (requested ${formatDuration(now - item.requestedAt)} ago)`;
    for (const line of wrap(plainText(`${pendingText(item.effect, now)}${requested}`), io.width - 4))
      io.out(`    ${line}\n`);
  }
}

export function pendingJson(pending: readonly Pick<OutboxEntry, 'key' | 'effect' | 'requestedAt'>[]) {
  return pending.map(({ key, effect, requestedAt }) => ({
    key,
    type: effect.type,
    requestedAt: iso(requestedAt),
    dueAt: effect.type === 'setTimer' ? iso(effect.dueAt) : null,
  }));
}

/** @param start of the history, for relative times */
export function eventsJson(rows: readonly NumberedRow[], start: number) {
  return rows.map((row) => ({
    seq: row.seq,
    version: row.version,
    type: row.type,
    at: iso(row.at),
    sinceStartMs: row.at - start,
    state: row.state,
    outcome: row.outcome,
    settles: row.settles,
    data: row.data,
    text: rowText(row),
  }));
}
