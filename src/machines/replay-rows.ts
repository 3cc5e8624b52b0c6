/**
 * A history row by row: the state before and after each one, what it changed in the context, and the effects that it
 * requested, settled and withdrew. Recomputed strictly, so it ends before the first row that differs.
 */
import { canonicalJson } from './protocol/canonical-json.ts';
import type { KeyedEffect } from './protocol/effects.ts';
import type { EventType } from './protocol/events.ts';
import { type Hash, type HistorySnapshot, type LogRow, requestedKeys } from './protocol/row.ts';
import { type Difference, recompute } from './replay.ts';
import { versionOf } from './versions.ts';

/** A pending effect, and the row that requested it. */
export interface RequestedEffect {
  readonly effect: KeyedEffect;
  /** The row's version. */
  readonly version: number;
  /** Epoch ms. */
  readonly at: number;
}

export interface ReplayStep<Row extends LogRow = LogRow> {
  readonly row: Row;
  /** Null: the history begins. */
  readonly before: HistorySnapshot | null;
  readonly after: HistorySnapshot;
  /** Null: the event settles nothing that was pending. */
  readonly settled: RequestedEffect | null;
  readonly withdrawn: readonly RequestedEffect[];
  /** After the row, oldest first; timers are among them. */
  readonly pending: readonly RequestedEffect[];
  /** True: the row says that something failed. */
  readonly failed: boolean;
  /** True: the row begins an attempt. */
  readonly beginsAttempt: boolean;
}

export interface ReplayedRows<Row extends LogRow> {
  readonly steps: readonly ReplayStep<Row>[];
  /** Null: all rows are equal. */
  readonly difference: Difference | null;
}

export function replayRows<Row extends LogRow>(rows: Iterable<Row>, hash: Hash): ReplayedRows<Row> {
  const steps: ReplayStep<Row>[] = [];
  const requested = new Set<string>();
  let before: HistorySnapshot | null = null;
  let pending: readonly RequestedEffect[] = [];
  for (const row of rows) {
    const after = recompute(before, row, hash, (key) => requested.has(key));
    if ('field' in after) return { steps, difference: after };
    const known = new Map(pending.map((item) => [item.effect.key, item]));
    const { version, at } = row;
    pending = Object.values(after.pending)
      .map((effect) => known.get(effect.key) ?? { effect, version, at })
      .sort((one, other) => one.version - other.version);
    const gone = [...known.values()].filter(({ effect }) => after.pending[effect.key] === undefined);
    steps.push({
      row,
      before,
      after,
      settled: gone.find(({ effect }) => effect.key === row.settles) ?? null,
      withdrawn: gone.filter(({ effect }) => effect.key !== row.settles),
      pending,
      failed: saysFailed(row),
      beginsAttempt: attemptOf(after) > attemptOf(before),
    });
    for (const key of requestedKeys(row)) requested.add(key);
    before = after;
  }
  return { steps, difference: null };
}

function attemptOf(stored: HistorySnapshot | null): number {
  return stored === null ? 0 : (versionOf(stored).attempt(stored) ?? 0);
}

const FAILURES: ReadonlySet<EventType> = new Set<EventType>([
  'catchup.failed',
  'change.lookup-failed',
  'change-state.read-failed',
  'daemon.crashed',
  'evidence.abandoned',
  'evidence.collect-failed',
  'evidence.discard-failed',
  'evidence.publish-failed',
  'janitor.lost',
  'janitor.start-failed',
  'janitor.stop-failed',
  'job.rejected',
  'leak.remove-failed',
  'machine.failed',
  'machine.quarantine-failed',
  'mail.send-failed',
  'patchset.conflicted',
  'patchset.fetch-failed',
  'patchset.merge-failed',
  'results.read-failed',
  'review.post-failed',
  'server.create-failed',
  'server.delete-failed',
  'server.open-failed',
  'stage.lost',
  'stage.start-failed',
  'stage.stop-failed',
  'start-message.post-failed',
  'stream.disconnected',
  'stream.rejected',
  'vote.rejected',
  'votes.read-failed',
]);

/** Verdicts of a job that did not fail. */
const NO_FAILURE: readonly unknown[] = ['SUCCESS', 'SKIPPED', 'ABORTED'];

function saysFailed({ type, data }: LogRow): boolean {
  switch (type) {
    case 'timer.fired':
      return typeof data.timer === 'string' && data.timer.startsWith('deadline:');
    case 'stage.exited':
    case 'janitor.exited':
      return !exitedWithZero(data.end);
    case 'results.read':
      return ((data.results as { readonly failed?: number } | undefined)?.failed ?? 0) > 0;
    case 'job.reported':
      return !NO_FAILURE.includes((data.report as { readonly verdict?: unknown } | undefined)?.verdict);
    default:
      return FAILURES.has(type);
  }
}

function exitedWithZero(end: unknown): boolean {
  const { how, code } = (end ?? {}) as { readonly how?: unknown; readonly code?: unknown };
  return how === 'exited' && code === 0;
}

/** What a row changed in the context: the value at a dotted path; undefined: absent. */
export interface ContextChange {
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The changes, in the order of their paths. A list is one value. */
export function contextChanges({
  before,
  after,
}: Pick<ReplayStep, 'before' | 'after'>): readonly ContextChange[] {
  const changes: ContextChange[] = [];
  collect(changes, '', before?.context ?? {}, after.context);
  return changes;
}

function collect(changes: ContextChange[], path: string, before: Fields, after: Fields): void {
  for (const name of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
    const [was, is] = [before[name], after[name]];
    if (was === is) continue;
    const location = path === '' ? name : `${path}.${name}`;
    if (isFields(was) && isFields(is)) collect(changes, location, was, is);
    else if (text(was) !== text(is)) changes.push({ path: location, before: was, after: is });
  }
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return value === undefined ? '' : canonicalJson(value);
}
