/**
 * The side tables of the intake: decided events, the position, waiting changes, ignored requests, and the activity of
 * other CIs. This file knows their columns and begins no transaction itself; `note` runs inside that of an append.
 */
import type {
  CheckpointRecord,
  IgnoredRequest,
  IntakeUpdate,
  PeerActivity,
  WaitingChange,
} from '../../engine/ports/store.ts';
import type { SeenEvent } from '../../machines/trigger/deduplication.ts';
import type { Database } from './database.ts';
import type { SqlRow } from './rows.ts';
import { prepared } from './statements.ts';

export const SELECT_POSITION = 'SELECT origin, position, pruned_before FROM checkpoint';

/** Limit on stored ignored requests: some weeks of a busy site, in less than a megabyte. */
const MAX_IGNORED_REQUESTS = 1_000;

export class IntakeTables {
  private readonly statements: ReturnType<typeof prepareAll>;
  private last: number;

  constructor(database: Database) {
    this.statements = prepareAll(database);
    const { last } = this.statements.last.get() as { readonly last: number };
    this.last = last;
  }

  note({ seen, streamed, shown, named = [], waiting = [], ignored = [], intake }: IntakeUpdate): void {
    const { add, stream, show, name, putPosition } = this.statements;
    for (const event of seen) {
      const { number, kind, change, patchset, account, text, at, id = '' } = event;
      const [streamedFlag, hiddenFlag] = [event.streamed ? 1 : 0, event.hidden ? 1 : 0];
      add.run(number, kind, change, patchset, account, text, at, streamedFlag, hiddenFlag, id);
    }
    for (const number of streamed) stream.run(number);
    for (const number of shown) show.run(number);
    for (const { number, id } of named) name.run(id, number);
    for (const change of waiting) this.#keepWaiting(change);
    for (const request of ignored) this.#keepIgnored(request);
    if (intake !== null) putPosition.run(intake.origin, intake.position, intake.prunedBefore);
  }

  /** Call when the updates are durable. */
  noted(all: readonly IntakeUpdate[]): void {
    for (const { seen } of all) for (const { number } of seen) this.last = Math.max(this.last, number);
  }

  get lastSeen(): number {
    return this.last;
  }

  seen(change: number): readonly SeenEvent[] {
    return (this.statements.ofChange.all(change) as SqlRow[]).map(seenRow);
  }

  move(position: number): void {
    this.statements.move.run(position);
  }

  recordPeerActivity({ begunAt, listenedMs, others }: PeerActivity, pruneBefore: number): void {
    this.statements.recordPeerActivity.run(begunAt, listenedMs, others);
    this.statements.pruneActivity.run(pruneBefore);
  }

  #keepWaiting({ project, change, waiting }: WaitingChange): void {
    const { putWaiting, dropWaiting } = this.statements;
    if (waiting === null) dropWaiting.run(project, change);
    else putWaiting.run(project, change, waiting.since, JSON.stringify(waiting));
  }

  #keepIgnored({ project, change, patchset, by, at, rule, why }: IgnoredRequest): void {
    const { addIgnored, pruneIgnored } = this.statements;
    const { lastInsertRowid } = addIgnored.run(project, change, patchset, by, at, rule, why);
    pruneIgnored.run(Number(lastInsertRowid) - MAX_IGNORED_REQUESTS);
  }

  prune(before: number, limit: number): number {
    const { changes } = this.statements.prune.run(before, limit);
    if (changes > 0) this.statements.prunedBefore.run(before);
    return changes;
  }
}

export function positionRow(row: SqlRow | undefined): CheckpointRecord | null {
  if (row === undefined) return null;
  return {
    origin: Number(row.origin),
    position: Number(row.position),
    prunedBefore: Number(row.pruned_before),
  };
}

function seenRow(row: SqlRow): SeenEvent {
  return {
    number: Number(row.number),
    kind: String(row.kind) as SeenEvent['kind'],
    change: Number(row.change),
    patchset: Number(row.patchset),
    account: String(row.account),
    text: String(row.text),
    at: Number(row.at),
    streamed: row.streamed === 1,
    hidden: row.hidden === 1,
    ...(row.message === '' ? {} : { id: String(row.message) }),
  };
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => prepared(database, sql);
  return {
    last: prepare("SELECT coalesce(max(seq), 0) AS last FROM sqlite_sequence WHERE name = 'seen_event'"),
    add: prepare('INSERT INTO seen_event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    stream: prepare('UPDATE seen_event SET streamed = 1 WHERE number = ?'),
    show: prepare('UPDATE seen_event SET hidden = 0 WHERE number = ?'),
    name: prepare('UPDATE seen_event SET message = ? WHERE number = ?'),
    ofChange: prepare('SELECT * FROM seen_event WHERE change = ? ORDER BY number'),
    prune: prepare(
      'DELETE FROM seen_event WHERE number IN (SELECT number FROM seen_event WHERE at < ? ORDER BY at LIMIT ?)',
    ),
    putWaiting: prepare('INSERT OR REPLACE INTO deferred_start VALUES (?, ?, ?, ?)'),
    dropWaiting: prepare('DELETE FROM deferred_start WHERE project = ? AND change = ?'),
    addIgnored: prepare('INSERT INTO ignored_request VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)'),
    pruneIgnored: prepare('DELETE FROM ignored_request WHERE number <= ?'),
    putPosition: prepare('INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?)'),
    move: prepare('UPDATE checkpoint SET position = max(position, ?)'),
    recordPeerActivity: prepare(
      `INSERT INTO peer_activity VALUES (?, ?, ?) ON CONFLICT (begun_at) DO UPDATE
       SET listened_ms = listened_ms + excluded.listened_ms, others = others + excluded.others`,
    ),
    pruneActivity: prepare('DELETE FROM peer_activity WHERE begun_at < ?'),
    prunedBefore: prepare('UPDATE checkpoint SET pruned_before = max(pruned_before, ?)'),
  };
}
