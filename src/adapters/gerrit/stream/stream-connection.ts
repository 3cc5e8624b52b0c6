/**
 * Shares the connection of Gerrit's stream with queries, which saves the account one connection. Available only while
 * the stream is up; it can end at any time.
 */
import type { SshClient } from '../../ssh/client/client.ts';

export class StreamConnection {
  readonly #onChange: () => void;
  #connection: SshClient | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Null while the stream is down. */
  get connection(): SshClient | null {
    return this.#connection;
  }

  /** Called when the stream is up on this connection. */
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
