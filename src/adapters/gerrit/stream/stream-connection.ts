/**
 * The connection of Gerrit's stream, lent to whoever has a question: one connection less for the account. It is lent
 * while the stream is up; the borrower must expect that it ends at any time.
 */
import type { SshClient } from '../../ssh/client/client.ts';

export class StreamConnection {
  readonly #onChange: () => void;
  #connection: SshClient | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Null: the stream is not up. */
  get connection(): SshClient | null {
    return this.#connection;
  }

  /** The stream is up on this connection. */
  connected(connection: SshClient): void {
    this.#connection = connection;
    connection.onClosed(() => {
      if (this.#connection !== connection) return;
      this.#connection = null;
      this.#onChange();
    });
    this.#onChange();
  }
}
