/**
 * What the engine offers to whoever hears Gerrit's stream. Types only: the adapter pushes, the engine takes.
 * Every line of the stream ends in exactly one call of `event`, `rejected` or `dropped`, in the stream's order,
 * so that what came in can be added up.
 */
import type { GerritEvent } from '../machines/gerrit-event.ts';

/** A line that could not be understood. Both texts are bounded and printable. */
export interface Rejection {
  /** Few different values: it is a counter's name. */
  readonly reason: string;
  /** The beginning of the line. */
  readonly sample: string;
}

/** How the connection to Gerrit's stream is. */
export interface StreamState {
  readonly connected: boolean;
  /** In one line, for people. */
  readonly why: string;
  /** What the operator should do; '' where there is nothing to do. */
  readonly hint: string;
  /** True: it will not mend itself (host key, key, missing right). Tried again only very slowly. */
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
  /** Called when the state changes, and once for each change: a failure that repeats is not told again. */
  state(state: StreamState): void;
}

/** Where events come from. */
export interface Intake {
  /** Connects, and stays connected, until `stop`. Never throws: what goes wrong is told to the listener's `state`. */
  start(): void;
  /** Ends the connection. Nothing is handed to the listener after it resolves. */
  stop(): Promise<void>;
}
