/**
 * One row of the event log, and the state after it. `step` computes both, the store keeps both, `replay` recomputes and
 * compares both.
 */
import type { Effect, KeyedEffect } from './effects.ts';
import type { EventType } from './events.ts';

export type MachineFamily =
  | 'job'
  | 'review'
  | 'publication'
  | 'hold'
  | 'janitor'
  | 'stream'
  | 'voting'
  | 'verdicts'
  | 'archive';

/** A machine and its version, stored with every row. */
export type MachineName = `${MachineFamily}@${number}`;

/** The result of an event: moved the machine; met no handler; settled an effect that is not pending (any more). */
export type Outcome = 'moved' | 'ignored' | 'late';

/** The complete state of a history between two events. Plain JSON. */
export interface HistorySnapshot {
  readonly history: string;
  readonly machine: MachineName;
  /** Number of rows so far. */
  readonly version: number;
  /** Time of the newest row, epoch ms. Never goes backwards. */
  readonly at: number;
  /** xstate's state value. */
  readonly value: StateValue;
  /** `value` as a dotted path: `testing.running`. */
  readonly state: string;
  readonly ended: boolean;
  readonly context: Readonly<Record<string, unknown>>;
  /** Effects requested and not yet settled, by key. */
  readonly pending: Readonly<Record<string, KeyedEffect>>;
  /** The newest row's hash. */
  readonly hash: string;
}

export type StateValue = string | { readonly [key: string]: StateValue };

export interface LogRow {
  readonly history: string;
  /** 1 for the first row of a history, without gaps. */
  readonly version: number;
  readonly type: EventType;
  readonly eventVersion: number;
  /** Epoch ms. */
  readonly at: number;
  /** The event without its type. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The effect key that it settles, or null. */
  readonly settles: string | null;
  /** `HISTORY/VERSION` of the row whose effect sent this event, or null. */
  readonly causationId: string | null;
  readonly outcome: Outcome;
  readonly machine: MachineName;
  /** The state after the event, dotted. */
  readonly state: string;
  /** Hash of the complete stored state after the event. */
  readonly stateHash: string;
  readonly effects: readonly Effect[];
  /** Hash of this row and the hash of the previous row of the same history. */
  readonly hash: string;
}

/** SHA-256 as hex, passed in as a parameter: machines do not import node:crypto. */
export type Hash = (text: string) => string;

/** The canonical texts that were hashed, so that the store does not serialize them again. */
export interface StepTexts {
  /** The complete state. */
  readonly stored: string;
  /** The row's data. */
  readonly data: string;
  /** Each of the row's effects. */
  readonly effects: readonly string[];
}

/** The effect keys that a row requests. */
export function requestedKeys({ effects }: Pick<LogRow, 'effects'>): readonly string[] {
  return effects.flatMap((effect) =>
    effect.type === 'sendEvent' || effect.type === 'cancelEffect' ? [] : [effect.key],
  );
}
