/**
 * The connection of Gerrit's stream, lent to whoever has a question: one connection less for the account. It is lent
 * while the stream is up; the borrower must expect that it ends at any time.
 */
import type { GerritConnection } from '../transport/ssh-connection.ts';

export class StandingStream {
  readonly #onChange: () => void;
  #connection: GerritConnection | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Null: the stream is not up. */
  get connection(): GerritConnection | null {
    return this.#connection;
  }

  /** The stream is up on this connection. */
  stands(connection: GerritConnection): void {
    this.#connection = connection;
    connection.onClosed(() => {
      if (this.#connection !== connection) return;
      this.#connection = null;
      this.#onChange();
    });
    this.#onChange();
  }
}
