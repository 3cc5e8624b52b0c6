/**
 * Alarms: what happened, how many times, when each last became new or was cleared, and whether the operator was mailed.
 * Not part of the event log: an alarm that is lost here is still in the daemon's own log.
 */
import type Sqlite from 'better-sqlite3';
import type { AlarmName, UnmailedAlarm } from '../../engine/ports/store.ts';
import type { Alarm } from '../../machines/model/alarm.ts';
import { prepared } from './statements.ts';

const PUT = `INSERT INTO alarm (kind, target, message, hint, first_at, last_at, times, new_at, mailed_at)
  VALUES (?, ?, ?, ?, ?, ?, 1, ?, 0) ON CONFLICT (kind, target) DO UPDATE
  SET message = excluded.message, hint = excluded.hint, last_at = excluded.last_at, times = times + 1,
    new_at = CASE WHEN cleared_at IS NOT NULL THEN max(excluded.last_at, new_at + 1)
      WHEN excluded.last_at - last_at > ? THEN excluded.last_at ELSE new_at END,
    acknowledged_at = CASE WHEN cleared_at IS NOT NULL OR excluded.last_at - last_at > ? THEN NULL
      ELSE acknowledged_at END,
    cleared_at = NULL`;
const CLEAR = `UPDATE alarm SET message = ?, hint = ?, cleared_at = ?, new_at = max(?, new_at + 1)
  WHERE kind = ? AND target = ? AND cleared_at IS NULL`;
const DROP_OLD = `DELETE FROM alarm WHERE (kind, target) IN
  (SELECT kind, target FROM alarm ORDER BY last_at DESC LIMIT -1 OFFSET ?)`;
const UNMAILED = `SELECT kind, target, message, hint, first_at AS firstAt, last_at AS lastAt, times, new_at AS newAt,
  cleared_at AS clearedAt, acknowledged_at AS acknowledgedAt, acknowledged_by AS acknowledgedBy,
  acknowledged_why AS acknowledgedWhy FROM alarm WHERE mailed_at < new_at ORDER BY kind = 'mail-send-failed', new_at, kind, target LIMIT ?`;
const ACKNOWLEDGE = `UPDATE alarm SET acknowledged_at = ?, acknowledged_by = ?, acknowledged_why = ?
  WHERE acknowledged_at IS NULL AND (? IS NULL OR (kind = ? AND target = ?))`;
const MARK_MAILED = 'UPDATE alarm SET mailed_at = max(mailed_at, ?) WHERE kind = ? AND target = ?';

export class AlarmTable {
  readonly #database: Sqlite.Database;

  constructor(database: Sqlite.Database) {
    this.#database = database;
  }

  put(
    { kind, target, message, hint, cleared }: Alarm,
    at: number,
    renewAfterMs: number,
    limit: number,
  ): void {
    if (cleared === true) {
      prepared(this.#database, CLEAR).run(message, hint, at, at, kind, target);
      return;
    }
    prepared(this.#database, PUT).run(kind, target, message, hint, at, at, at, renewAfterMs, renewAfterMs);
    prepared(this.#database, DROP_OLD).run(limit);
  }

  acknowledge(alarm: AlarmName | null, at: number, by: string, why: string): number {
    const [kind, target] = [alarm?.kind ?? null, alarm?.target ?? null];
    return prepared(this.#database, ACKNOWLEDGE).run(at, by, why, kind, kind, target).changes;
  }

  unmailed(limit: number): readonly UnmailedAlarm[] {
    return prepared(this.#database, UNMAILED).all(limit) as UnmailedAlarm[];
  }

  markMailed(alarms: readonly (AlarmName & { readonly newAt: number })[]): void {
    for (const { kind, target, newAt } of alarms)
      prepared(this.#database, MARK_MAILED).run(newAt, kind, target);
  }
}
