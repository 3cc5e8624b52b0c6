/**
 * What the engine offers to whoever hears Gerrit's stream. Types only: the adapter pushes, the engine takes.
 * Every line of the stream ends in exactly one call of `event`, `rejected` or `dropped`, in the stream's order,
 * so that what came in can be added up.
 */
import type { Account, GerritEvent } from '../../machines/model/gerrit-event.ts';

/** A line that could not be understood. Both texts are bounded and printable. */
export interface Rejection {
  /** Few different values: it is a counter's name. */
  readonly reason: string;
  /** The beginning of the line. */
  readonly sample: string;
  /** Present: the line was too long to be read, so what it reported has to be looked up. */
  readonly unread?: true;
}

/** How the connection to Gerrit's stream is. */
export interface StreamState {
  readonly connected: boolean;
  /** In one line, for people. */
  readonly why: string;
  /** What the operator should do; '' where there is nothing to do. */
  readonly hint: string;
  /** True: it will not fix itself (host key, key, missing right). Tried again only very slowly. */
  readonly permanent: boolean;
}

export interface StreamListener {
  /**
   * Takes one event. Resolves when the fact is safely stored; several may wait at the same time, up to the stream's
   * queue limit, and past that the stream stops reading. It must not reject: a store that is full for now is
   * waited for in here, and the back-pressure does the rest. A rejection is a programmer's error.
   */
  event(event: GerritEvent): Promise<void>;
  rejected(rejection: Rejection): void;
  /** A line that was thrown away unread because it says nothing to us; `name` is a counter's name. */
  dropped(name: string): void;
  /** Gerrit wrote to the notes of this change; the event that says why, if there is one, follows at once. */
  touched(change: number): void;
  /** Called when the state changes, and once for each change: a failure that repeats is not told again. */
  state(state: StreamState): void;
  /** The server answers, and its stream has said nothing for long. */
  silent(): void;
}

/** One thing that a change's own account holds. */
export interface HistoryEntry {
  readonly kind: 'comment' | 'restored';
  /** Epoch ms, of whole seconds. */
  readonly at: number;
  /** 0 where the account does not tell it. */
  readonly patchset: number;
  readonly by: Account;
  /** With Gerrit's header, and without the comments that were posted with it. */
  readonly text: string;
  /** That were cast with it. */
  readonly votes: readonly { readonly label: string; readonly value: number }[];
  /** By which Gerrit knows it; absent where that is not told. */
  readonly id?: string;
  /** What the stream would have told; null: nothing is to be done about it any more. */
  readonly event: GerritEvent | null;
}

/** A comment on a patchset as a whole: what people write on Gerrit's web page. */
export interface HistoryComment {
  readonly by: Account;
  readonly patchset: number;
  /** Epoch ms, of whole seconds; null where it is not told. */
  readonly at: number | null;
  readonly text: string;
}

type CreatedEvent = Extract<GerritEvent, { type: 'patchset-created' }>;
type ReadyEvent = Extract<GerritEvent, { type: 'change-ready' }>;
type ClosedEvent = Extract<GerritEvent, { type: 'change-abandoned' | 'change-merged' }>;

/** What Gerrit says of one change when it is asked. */
export interface ChangeHistory {
  readonly project: string;
  readonly change: number;
  /** Epoch ms. */
  readonly updatedAt: number;
  /** All of it, oldest first. */
  readonly entries: readonly HistoryEntry[];
  /** Comments on the current patchset as a whole, oldest first. Gerrit does not say with which entry each was posted. */
  readonly comments: readonly HistoryComment[];
  /** The current patchset of an open change, and when it was uploaded. */
  readonly patchset: { readonly event: CreatedEvent; readonly at: number } | null;
  /** For an open change that everybody may see. `saidAt`: when it became so, where Gerrit says that. */
  readonly ready: { readonly event: ReadyEvent; readonly saidAt: number | null } | null;
  /** For one that is abandoned or merged. */
  readonly closed: ClosedEvent | null;
}

export interface HistoryRequest {
  /** Changes that were updated then or later, in every state, epoch ms; null: only those that are named. */
  readonly since: number | null;
  /** Of projects that fit one of these, in which `*` is any run of characters; some of others may come along. */
  readonly projects: readonly string[];
  /** These too, whenever they were updated. */
  readonly changes: readonly number[];
}

/** Gerrit's own account, asked for by query: what its stream may have lost is in there. */
export interface ChangeHistoryReader {
  /** @throws OperationError: then nothing is known. Changes that cannot be read are counted in `unread`. */
  read(
    request: HistoryRequest,
    signal: AbortSignal,
  ): Promise<{ readonly changes: readonly ChangeHistory[]; readonly unread: number }>;
}

/** Where events come from. */
export interface EventSource {
  /** Asked on the stream's own connection: it works while that stands. */
  readonly history: ChangeHistoryReader;
  /** Connects, and stays connected, until `stop`. Never throws: what goes wrong is told to the listener's `state`. */
  start(): void;
  /** Ends the connection, and makes a new one as after any other loss. */
  restart(why: string): void;
  /** Ends the connection. Nothing is handed to the listener after it resolves. */
  stop(): Promise<void>;
}
