/** The rows of one history and its pending effects, as text and as JSON (docs/cli.md). */
import type { NumberedRow, OutboxEntry } from '../../engine/ports/store.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { plainText } from '../../terminal-text.ts';
import { effectText, pendingText } from './effect.ts';
import { rowText } from './event.ts';
import { startedAttempt, topState } from './state-spans.ts';
import { padEnd, padStart, wrap } from './table.ts';
import { type Io, paint } from './terminal.ts';
import { iso, utc } from './time.ts';

/** @param start prints times relative to this; null: absolute times */
export function printRows(io: Io, start: number | null, rows: readonly NumberedRow[]): void {
  let before = '';
  for (const row of rows) {
    const state = topState(row.state);
    const shown = state === before ? '' : state;
    before = state;
    const attempt = startedAttempt(row);
    const time = start === null ? `${utc(row.at).slice(5, -4)} ` : `+${formatDuration(row.at - start)}  `;
    const head = padStart(time, 15);
    const label = `${paint(io, 'bold', padEnd(shown, 11))}`;
    const again = attempt !== null && attempt > 1 ? ` (attempt ${attempt})` : '';
    const lines = wrap(plainText(rowText(row) + again), io.width - 26);
    for (const [index, line] of lines.entries()) {
      const margin = index === 0 ? `${paint(io, 'dim', head)}${label}` : ' '.repeat(26);
      io.out(`${margin}${line}\n`);
    }
    const requested = row.effects.map(effectText).filter((text) => text !== null);
    if (requested.length === 0) continue;
    for (const [index, line] of wrap(plainText(requested.join('; ')), io.width - 29).entries()) {
      io.out(`${' '.repeat(26)}${paint(io, 'dim', `${index === 0 ? '-> ' : '   '}${line}`)}\n`);
    }
  }
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

export function pendingJson(pending: readonly OutboxEntry[]) {
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
