/**
 * Steps one event and everything it leads to in the same transaction: the event itself, and one step for each history
 * that its effects send events to. An event that throws inside its machine, or that sends an event to a history that
 * does not exist, becomes `machine.failed`, which quarantines only its own history. When that throws too, it becomes
 * `machine.quarantine-failed`, which parks the history.
 */
import { errorText } from '../../errors.ts';
import type { Effect } from '../../machines/protocol/effects.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import {
  type Hash,
  type HistorySnapshot,
  type LogRow,
  type MachineName,
  requestedKeys,
} from '../../machines/protocol/row.ts';
import { type StepInput, type StepResult, step } from '../../machines/step.ts';
import { type LogEntry, VersionConflict } from '../ports/store.ts';
import { toLogEntry } from './projections.ts';
import { workContext } from './work-context.ts';

/** An event for a history. The engine adds the time when it processes the event. */
export interface Submission extends Omit<StepInput, 'at' | 'machine'> {
  /** The machine that a new history begins on; absent: the history exists. */
  readonly startsOn?: MachineName;
  /** Histories on which it depends: it is refused when one of them has another version by then. */
  readonly unchanged?: readonly Pick<HistorySnapshot, 'history' | 'version'>[];
}

export interface DispatchOptions {
  readonly hash: Hash;
  readonly now: () => number;
  /** The state of a history before this batch; null for an unknown history. */
  readonly stored: (history: string) => HistorySnapshot | null;
  /** Whether a row of the history before this batch requested an effect with this key. */
  readonly wasRequested: (history: string, key: string) => boolean;
  /** Set by tests: an event that no state handles, or that throws, is an error instead of a row. */
  readonly strict: boolean;
}

/** A longer chain of histories that send each other events is a loop. */
const MAX_DISPATCH_DEPTH = 16;

/**
 * Adds the rows that the submission leads to to `batch`.
 * @throws when a new history cannot begin, or VersionConflict; `batch` is then unchanged
 */
export function dispatch(batch: LogEntry[], submission: Submission, options: DispatchOptions): void {
  const { unchanged = [], ...rest } = submission;
  for (const { history, version } of unchanged) {
    if (newest(batch, history, options)?.version !== version)
      throw new VersionConflict(`${history} has another version`);
  }
  const length = batch.length;
  try {
    stepInto(batch, rest, options, 0);
  } catch (thrown) {
    batch.length = length;
    throw thrown;
  }
}

/** An event for a history that exists. */
export function submissionFor(history: string, event: AnyEvent, settles: string | null = null): Submission {
  return { history, event, settles, causationId: null };
}

function stepInto(batch: LogEntry[], submission: Submission, options: DispatchOptions, depth: number): void {
  if (depth > MAX_DISPATCH_DEPTH)
    throw new Error(`histories send each other events endlessly at ${submission.history}`);
  const { startsOn, ...rest } = submission;
  const before = newest(batch, submission.history, options);
  const machine = before?.machine ?? startsOn;
  if (machine === undefined) throw new Error(`there is no history ${submission.history}`);
  const input = { ...rest, machine, at: options.now() };
  const length = batch.length;
  try {
    const { row } = push(batch, stepOne(batch, before, input, options));
    for (const effect of row.effects) deliver(batch, row, effect, options, depth);
  } catch (thrown) {
    batch.length = length;
    if (before === null || options.strict) throw thrown;
    const { row } = push(batch, quarantine(batch, before, input, thrown, options));
    for (const effect of row.effects) deliverIfPossible(batch, row, effect, options, depth);
  }
}

/** @throws when the target history does not exist or accepts no events: the sender is at fault */
function deliver(
  batch: LogEntry[],
  row: LogRow,
  effect: Effect,
  options: DispatchOptions,
  depth: number,
): void {
  if (effect.type !== 'sendEvent') return;
  const { to: history, event, startsOn } = effect;
  const begins = startsOn === undefined ? {} : { startsOn };
  const submission = {
    history,
    event,
    settles: null,
    causationId: `${row.history}/${row.version}`,
    ...begins,
  };
  stepInto(batch, submission, options, depth + 1);
}

/** Delivers the final events of a quarantined history to every history that accepts them. */
function deliverIfPossible(...[batch, ...rest]: Parameters<typeof deliver>): void {
  const length = batch.length;
  try {
    deliver(batch, ...rest);
  } catch {
    batch.length = length;
  }
}

function push(batch: LogEntry[], append: LogEntry): LogEntry {
  batch.push(append);
  return append;
}

function stepOne(
  batch: readonly LogEntry[],
  before: HistorySnapshot | null,
  input: StepInput,
  options: DispatchOptions,
): LogEntry {
  const { type } = input.event;
  const stepped = workContext.run({ history: input.history, during: type }, () =>
    stepIn(batch, before, input, options),
  );
  if (options.strict && stepped.row.outcome === 'ignored')
    throw new Error(`${type} has no handler in ${stepped.row.state}`);
  return toLogEntry(before, stepped);
}

function stepIn(
  batch: readonly LogEntry[],
  before: HistorySnapshot | null,
  input: StepInput,
  { hash, wasRequested }: DispatchOptions,
): StepResult {
  const { history } = input;
  return step(before, input, hash, (key) => {
    return (
      wasRequested(history, key) ||
      batch.some(({ row }) => row.history === history && requestedKeys(row).includes(key))
    );
  });
}

function quarantine(
  batch: readonly LogEntry[],
  before: HistorySnapshot,
  input: StepInput,
  thrown: unknown,
  options: DispatchOptions,
): LogEntry {
  const recordFailure = (type: 'machine.failed' | 'machine.quarantine-failed', why: unknown): LogEntry => {
    const message = errorText(why).slice(0, MESSAGE_LIMIT);
    const event = { type, event: input.event.type, message };
    return toLogEntry(before, stepIn(batch, before, { ...input, event }, options));
  };
  try {
    return recordFailure('machine.failed', thrown);
  } catch (again) {
    return recordFailure('machine.quarantine-failed', again);
  }
}

const MESSAGE_LIMIT = 500;

function newest(
  batch: readonly LogEntry[],
  history: string,
  options: Pick<DispatchOptions, 'stored'>,
): HistorySnapshot | null {
  for (let index = batch.length - 1; index >= 0; index -= 1) {
    const append = batch[index];
    if (append?.row.history === history) return append.stored;
    if (append !== undefined && leavesWhole(append.row, history)) return null;
  }
  return options.stored(history);
}

/** True when the history leaves the database with this row. */
function leavesWhole({ type, data }: LogRow, history: string): boolean {
  if (type !== 'histories.archived') return false;
  const { histories } = data as unknown as Extract<AnyEvent, { type: 'histories.archived' }>;
  return histories.some((one) => one.whole && one.history === history);
}
