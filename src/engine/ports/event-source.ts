/**
 * The interface between the engine and the adapter of Gerrit's stream. Types only: the adapter pushes, the engine
 * receives. Every line of the stream ends in exactly one call of `event`, `rejected` or `dropped`, in the stream's
 * order, so the counts add up.
 */
import type { Account, GerritEvent } from '../../machines/model/gerrit-event.ts';

/** A line that could not be parsed. Both texts are bounded and printable. */
export interface Rejection {
  /** One of few values: it is the name of a counter. */
  readonly reason: string;
  /** The beginning of the line. */
  readonly sample: string;
  /** Present: the line was too long to parse, so its event must be queried from Gerrit. */
  readonly unread?: true;
}

/** The state of the connection to Gerrit's stream. */
export interface StreamState {
  readonly connected: boolean;
  /** One line, for people. */
  readonly why: string;
  /** What the operator should do; '' where there is nothing to do. */
  readonly hint: string;
  /** True: only an operator can fix it (host key, key, missing permission). Retried only very slowly. */
  readonly permanent: boolean;
}

export interface StreamListener {
  /**
   * Takes one event. Resolves when the event is durable. The stream's queue limit bounds how many calls may wait at a
   * time; past it the stream stops reading. It must not reject: it waits while the store is full, and back-pressure
   * stops the stream. A rejection is a programmer's error.
   */
  event(event: GerritEvent): Promise<void>;
  rejected(rejection: Rejection): void;
  /** An irrelevant line that was dropped unparsed; `name` is the name of a counter. */
  dropped(name: string): void;
  /** Gerrit wrote to the notes of this change; the event that explains it, if there is one, follows at once. */
  touched(change: number): void;
  /** Called once for each change of the state: a repeated failure is not reported again. */
  state(state: StreamState): void;
  /** The server answers, but its stream has sent nothing for a long time. */
  silent(): void;
}

/** One entry of a change's history in Gerrit. */
export interface HistoryEntry {
  readonly kind: 'comment' | 'restored';
  /** Epoch ms, of whole seconds. */
  readonly at: number;
  /** 0 where Gerrit does not report it. */
  readonly patchset: number;
  readonly by: Account;
  /** With Gerrit's header, without the comments that were posted with it. */
  readonly text: string;
  /** The votes that were cast with it. */
  readonly votes: readonly { readonly label: string; readonly value: number }[];
  /** Gerrit's id of the entry; absent where Gerrit does not report it. */
  readonly id?: string;
  /** The equivalent event of the stream; null: no action is needed any more. */
  readonly event: GerritEvent | null;
}

/** A comment on a patchset as a whole, as people write it on Gerrit's web page. */
export interface HistoryComment {
  readonly by: Account;
  readonly patchset: number;
  /** Epoch ms, of whole seconds; null where Gerrit does not report it. */
  readonly at: number | null;
  readonly text: string;
}

type CreatedEvent = Extract<GerritEvent, { type: 'patchset-created' }>;
type ReadyEvent = Extract<GerritEvent, { type: 'change-ready' }>;
type ClosedEvent = Extract<GerritEvent, { type: 'change-abandoned' | 'change-merged' }>;

/** Gerrit's response to a query about one change. */
export interface ChangeHistory {
  readonly project: string;
  readonly change: number;
  /** Epoch ms. */
  readonly updatedAt: number;
  /** All entries, oldest first. */
  readonly entries: readonly HistoryEntry[];
  /**
   * Comments on the current patchset as a whole, oldest first. Gerrit does not report with which entry each was posted.
   */
  readonly comments: readonly HistoryComment[];
  /** The current patchset of an open change, and when it was uploaded. */
  readonly patchset: { readonly event: CreatedEvent; readonly at: number } | null;
  /** For an open change that is visible to everyone. `readyAt`: when it became ready, where Gerrit reports that. */
  readonly ready: { readonly event: ReadyEvent; readonly readyAt: number | null } | null;
  /** For an abandoned or merged change. */
  readonly closed: ClosedEvent | null;
}

export interface HistoryRequest {
  /** Changes in any state that were updated then or later, epoch ms; null: only the named changes. */
  readonly since: number | null;
  /** Patterns of projects, in which `*` is any run of characters; changes of other projects may be included. */
  readonly projects: readonly string[];
  /** Changes to include whenever they were updated. */
  readonly changes: readonly number[];
  /** The comments of a change are not needed if its messages from then on, epoch ms, came without any. */
  readonly commentsSince: number;
}

/** Queries the history of changes from Gerrit, which includes events that its stream may have lost. */
export interface ChangeHistoryReader {
  /** @throws OperationError when the query fails as a whole. `unparsed` counts changes that cannot be parsed. */
  read(
    request: HistoryRequest,
    signal: AbortSignal,
  ): Promise<{ readonly changes: readonly ChangeHistory[]; readonly unparsed: number }>;
}

/** The source of Gerrit's events. */
export interface EventSource {
  /** Uses the stream's own connection: works while that is connected. */
  readonly history: ChangeHistoryReader;
  /** Connects, and stays connected until `stop`. Never throws: failures are reported to the listener's `state`. */
  start(): void;
  /** Closes the connection and reconnects as after any other loss. */
  restart(why: string): void;
  /** Closes the connection. The listener receives nothing after it resolves. */
  stop(): Promise<void>;
}
