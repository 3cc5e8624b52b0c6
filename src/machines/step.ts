/**
 * `step(stored, input) -> { stored, row }` is the only function that advances a history. The daemon, replay and the
 * simulator of the tests all call it. It is pure: time, hash and everything else are parameters. An event that settles
 * an effect which is no longer pending is recorded as `late` and changes nothing.
 */
import { type AnyMachineSnapshot, initialTransition } from 'xstate';
import { assertContinues, continuedFrom, toPath } from './continued.ts';
import { canonicalJson, type Memo } from './protocol/canonical-json.ts';
import type { Effect, KeyedEffect } from './protocol/effects.ts';
import type { AnyEvent } from './protocol/events.ts';
import type {
  Hash,
  HistorySnapshot,
  LogRow,
  MachineName,
  Outcome,
  StateValue,
  StepTexts,
} from './protocol/row.ts';
import { pureTransition } from './pure-transition.ts';
import { versionOf } from './versions.ts';

/** Canonical texts of parts of states and rows that do not change. Machines never change a value in place. */
const memo: Memo = new WeakMap();

/** The xstate snapshot of each state that this process computed, which saves `resolveState` on the next step. */
const snapshots = new WeakMap<HistorySnapshot, AnyMachineSnapshot>();

export interface StepInput {
  readonly history: string;
  /** The machine that a new history begins on. Must match the stored machine later. */
  readonly machine: MachineName;
  readonly event: AnyEvent;
  /** Epoch ms. If the clock went back, the time of the history's newest row is used instead. */
  readonly at: number;
  readonly settles: string | null;
  readonly causationId: string | null;
}

export interface StepResult {
  readonly stored: HistorySnapshot;
  readonly row: LogRow;
  readonly texts: StepTexts;
}

interface Transition {
  readonly value: StateValue;
  readonly context: Readonly<Record<string, unknown>>;
  readonly ended: boolean;
  readonly requested: readonly Effect[];
  readonly outcome: Outcome;
  /** Null: unchanged. */
  readonly snapshot: AnyMachineSnapshot | null;
}

/**
 * @param before the state after the history's newest row; null for a new history
 * @param wasRequested whether an earlier row of the history requested an effect with this key
 * @throws errors of the machine, and an error for an effect key that was used before: both are programming errors
 */
export function step(
  before: HistorySnapshot | null,
  input: StepInput,
  hash: Hash,
  wasRequested: (key: string) => boolean = () => false,
): StepResult {
  if (input.event.type === 'history.continued') {
    if (before === null) return step(continuedFrom(input, input.event), input, hash, wasRequested);
    assertContinues(before, input.event);
  }
  if (before !== null) assertSameHistory(before, input);
  const at = Math.max(input.at, before?.at ?? 0);
  const pending = new Map(Object.entries(before?.pending ?? {}));
  const late = input.settles !== null && !pending.delete(input.settles);
  const moved = late && before !== null ? unchanged(before) : move(before, input, at, [...pending.values()]);
  const effects = updateOutbox(pending, moved.requested, wasRequested);
  const state = toPath(moved.value);
  const after = {
    history: input.history,
    machine: input.machine,
    version: (before?.version ?? 0) + 1,
    at,
    value: moved.value,
    state,
    ended: moved.ended,
    context: moved.context,
    pending: Object.fromEntries(pending),
  };
  const text = canonicalJson(after, memo);
  const { type, ...data } = input.event;
  const unhashed = {
    history: input.history,
    version: after.version,
    type,
    eventVersion: 1,
    at,
    data,
    settles: input.settles,
    causationId: input.causationId,
    outcome: moved.outcome,
    machine: input.machine,
    state,
    stateHash: hash(text),
    effects,
  };
  const texts = {
    stored: text,
    data: canonicalJson(data, memo, 1),
    effects: effects.map((effect) => canonicalJson(effect, memo, 2)),
  };
  const rowHash = hash(`${before?.hash ?? ''}\n${rowText(unhashed, texts)}`);
  const stored = { ...after, hash: rowHash };
  if (moved.snapshot !== null) snapshots.set(stored, moved.snapshot);
  return { stored, row: { ...unhashed, hash: rowHash }, texts };
}

/** The canonical text of a row without its hash, assembled from texts that exist already. */
export function rowText(
  row: Omit<LogRow, 'hash'>,
  { data, effects }: Pick<StepTexts, 'data' | 'effects'>,
): string {
  const {
    at,
    causationId,
    eventVersion,
    history,
    machine,
    outcome,
    settles,
    state,
    stateHash,
    type,
    version,
  } = row;
  return (
    `{"at":${at},"causationId":${JSON.stringify(causationId)},"data":${data},"effects":[${effects.join(',')}],` +
    `"eventVersion":${eventVersion},"history":${JSON.stringify(history)},"machine":${JSON.stringify(machine)},` +
    `"outcome":${JSON.stringify(outcome)},"settles":${JSON.stringify(settles)},"state":${JSON.stringify(state)},` +
    `"stateHash":${JSON.stringify(stateHash)},"type":${JSON.stringify(type)},"version":${version}}`
  );
}

function assertSameHistory(before: HistorySnapshot, input: StepInput): void {
  if (before.history !== input.history)
    throw new Error(`${input.history} is not the history ${before.history}`);
  if (before.machine !== input.machine)
    throw new Error(`${before.history} is on ${before.machine}, not on ${input.machine}`);
}

function unchanged(before: HistorySnapshot): Transition {
  return {
    value: before.value,
    context: before.context,
    ended: before.ended,
    requested: [],
    outcome: 'late',
    snapshot: snapshots.get(before) ?? null,
  };
}

function move(
  before: HistorySnapshot | null,
  input: StepInput,
  at: number,
  pending: readonly KeyedEffect[],
): Transition {
  const { machine } = versionOf(input);
  const event = { ...input.event, at, settles: input.settles, pending };
  if (before === null) return read(initialTransition(machine, event), 'moved');
  if (event.type === 'history.continued') return { ...unchanged(before), outcome: 'moved' };
  const snapshot =
    snapshots.get(before) ?? machine.resolveState({ value: before.value, context: before.context });
  const next = pureTransition(machine, snapshot, event);
  const ignored = next[0] === snapshot && next[1].length === 0;
  return read(next, ignored ? 'ignored' : 'moved');
}

function read(
  [snapshot, actions]: readonly [AnyMachineSnapshot, readonly unknown[]],
  outcome: Outcome,
): Transition {
  // xstate catches an error in a history's first event, which would leave a machine that handles no event.
  if (snapshot.status === 'error') throw snapshot.error;
  const requested: Effect[] = [];
  // xstate types these as its built-in actions only; our named actions are in the list too.
  for (const action of actions as readonly { readonly type: string; readonly params?: unknown }[]) {
    if (action.type !== 'request') continue;
    const params = action.params as Effect | readonly Effect[] | null;
    if (params === null) continue;
    requested.push(...(isList(params) ? params : [params]));
  }
  return {
    value: snapshot.value,
    context: snapshot.context,
    ended: snapshot.hasTag('ended'),
    requested,
    outcome,
    snapshot,
  };
}

function isList(params: Effect | readonly Effect[]): params is readonly Effect[] {
  return Array.isArray(params);
}

/**
 * Adds requested effects to the pending ones and removes withdrawn ones. Does not record an effect that is requested
 * and withdrawn in the same row.
 */
function updateOutbox(
  pending: Map<string, KeyedEffect>,
  requested: readonly Effect[],
  wasRequested: (key: string) => boolean,
): readonly Effect[] {
  let effects: Effect[] = [];
  for (const effect of requested) {
    if (effect.type === 'sendEvent') {
      effects.push(effect);
    } else if (effect.type === 'cancelEffect') {
      const known = pending.get(effect.key);
      if (known === undefined) continue;
      pending.delete(effect.key);
      if (effects.includes(known)) effects = effects.filter((other) => other !== known);
      else effects.push(effect);
    } else {
      if (pending.has(effect.key) || wasRequested(effect.key))
        throw new Error(`effect ${effect.key} was requested before`);
      pending.set(effect.key, effect);
      effects.push(effect);
    }
  }
  return effects;
}
