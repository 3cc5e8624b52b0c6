/**
 * One row of the event log, and the state that it leads to. `step` makes both, the store keeps both, `replay`
 * computes both again and compares.
 */
import type { Effect, KeyedEffect } from './effects.ts';
import type { EventType } from './events.ts';

export type MachineFamily = 'job' | 'review' | 'publication' | 'stream' | 'voting' | 'verdicts';

/** A machine and its version, as it is stored with every row. */
export type MachineName = `${MachineFamily}@${number}`;

/** What an event did: moved the machine; met no handler; settled something that was not owed (any more). */
export type Outcome = 'moved' | 'ignored' | 'late';

/** Everything a history is, between two events. Plain JSON. */
export interface HistorySnapshot {
  readonly history: string;
  readonly machine: MachineName;
  /** Number of rows so far. */
  readonly version: number;
  /** Time of the newest row, epoch ms. Never goes backwards. */
  readonly at: number;
  /** xstate's state value. */
  readonly value: StateValue;
  /** The same, dotted: `testing.running`. */
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
  /** `HISTORY/VERSION` of the row whose effect told this history, or null. */
  readonly causationId: string | null;
  readonly outcome: Outcome;
  readonly machine: MachineName;
  /** The state it led to, dotted. */
  readonly state: string;
  /** Hash over the whole stored state that it led to. */
  readonly stateHash: string;
  readonly effects: readonly Effect[];
  /** Hash over this row and the hash of the row before it in the same history. */
  readonly hash: string;
}

/** SHA-256 as hex, handed in: machines import nothing. */
export type Hash = (text: string) => string;

/** Canonical texts that the hashes were made over, so that nobody has to write them a second time. */
export interface StepTexts {
  /** Of the whole state. */
  readonly stored: string;
  /** Of the row's data. */
  readonly data: string;
  /** Of each of the row's effects. */
  readonly effects: readonly string[];
}
