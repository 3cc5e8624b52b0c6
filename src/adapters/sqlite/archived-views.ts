/**
 * Removes the views and the test results of histories that leave for an archive file, inside the transaction of the row
 * that accounts for them. Afterwards the views are those of the rows that are left.
 */
import type { ArchiveEvent } from '../../machines/protocol/events.ts';
import type { LogRow } from '../../machines/protocol/row.ts';
import type { Database } from './database.ts';
import type { SqlRow } from './rows.ts';
import { prepared } from './statements.ts';
import type { TestTables } from './test-tables.ts';

/** Who was served last, by a slot of which provider. */
interface Turn {
  readonly provider: string;
  readonly project: string;
}

export class ArchivedViews {
  private readonly statements: ReturnType<typeof prepareAll>;
  private readonly testTables: TestTables;

  constructor(database: Database, testTables: TestTables) {
    this.statements = prepareAll(database);
    this.testTables = testTables;
  }

  /** Call before the row is inserted: the schema then deletes the rows. Returns what `restoreTurns` needs. */
  remove({ type, data }: LogRow): readonly Turn[] {
    if (type !== 'histories.archived') return [];
    const { histories } = data as unknown as Extract<ArchiveEvent, { type: 'histories.archived' }>;
    this.testTables.dropJobs(histories.filter(({ whole }) => whole).map(({ history }) => history));
    return histories.flatMap(({ history, last, whole }) => {
      if (whole) return this.#removeWhole(history);
      this.statements.moveFirst.run(history, last + 1, history);
      return [];
    });
  }

  /** Call after the row was inserted. */
  restoreTurns(turns: readonly Turn[]): void {
    const { dropTurn, putTurn } = this.statements;
    for (const { provider, project } of turns)
      if (dropTurn.run(provider, project).changes > 0) putTurn.run(provider, project, provider, project);
  }

  #removeWhole(history: string): readonly Turn[] {
    const { findJob, uncountDay, dropDay, dropTrigger, dropRows } = this.statements;
    dropTrigger.run(history);
    const job = findJob.get(history) as SqlRow | undefined;
    if (job !== undefined) {
      const day = new Date(Number(job.ended_at)).toISOString().slice(0, 10);
      uncountDay.run(day, job.name, job.verdict);
      dropDay.run(day, job.name, job.verdict);
    }
    for (const drop of dropRows) drop.run(history);
    return job === undefined ? [] : [{ provider: String(job.provider), project: String(job.project) }];
  }
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => prepared(database, sql);
  return {
    findJob: prepare('SELECT name, verdict, ended_at, provider, project FROM job_view WHERE id = ?'),
    uncountDay: prepare('UPDATE day_view SET jobs = jobs - 1 WHERE day = ? AND name = ? AND verdict = ?'),
    dropDay: prepare('DELETE FROM day_view WHERE day = ? AND name = ? AND verdict = ? AND jobs = 0'),
    dropTrigger: prepare(`DELETE FROM trigger_view WHERE trigger =
      (SELECT data ->> 'trigger' FROM event WHERE history = ? AND version = 1 AND type = 'review.opened')`),
    dropRows: [
      prepare('DELETE FROM start_view WHERE review = ?'),
      prepare('DELETE FROM job_view WHERE id = ?'),
      prepare('DELETE FROM review_view WHERE id = ?'),
      prepare('DELETE FROM history_view WHERE history = ?'),
    ],
    moveFirst: prepare(`UPDATE history_view SET first_seq =
      (SELECT seq FROM event WHERE history = ? AND version = ?) WHERE history = ?`),
    dropTurn: prepare(`DELETE FROM last_served WHERE provider = ? AND project = ?
      AND NOT EXISTS (SELECT 1 FROM event WHERE event.seq = last_served.seq)`),
    putTurn: prepare(`INSERT INTO last_served SELECT ?, ?, event.seq, event.at
      FROM job_view JOIN event ON event.history = job_view.id
      WHERE job_view.provider = ? AND job_view.project = ?
        AND event.type = 'slot.granted' AND event.outcome = 'moved'
      ORDER BY event.seq DESC LIMIT 1`),
  };
}
