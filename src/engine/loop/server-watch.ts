/** Finds out whether the server of a running stage still exists, when it does not answer. */
import { OperationError, raceAbort } from '../../errors.ts';
import { backoff } from '../../machines/model/backoff.ts';
import type { Server } from '../../machines/model/domain.ts';
import type { Clock, ContactListener, Provider } from '../ports/adapters.ts';

/** Most servers that stop answering are back by then. */
const FIRST_WAIT_MS = 5_000;
/** An outage that hits all servers must not make every one of them a steady load on the cloud. */
const LONGEST_WAIT_MS = 60_000;
/** A provider that has not answered by then counts as one that cannot be asked. */
const ANSWER_LIMIT_MS = 60_000;

export interface ServerWatchOptions {
  readonly server: Server;
  /** Undefined: it is no longer configured, and nobody can be asked. */
  readonly provider: Provider | undefined;
  readonly clock: Clock;
  readonly stopping: AbortSignal;
  /** Aborted when the server is gone. */
  readonly abort: AbortController;
}

export class ServerWatch {
  readonly #options: ServerWatchOptions;
  #gone: string | null = null;
  #timesAsked = 0;
  #cancel: (() => void) | null = null;

  constructor(options: ServerWatchOptions) {
    this.#options = options;
  }

  /** The text of `whyGone`, once the server is known to be gone. */
  get gone(): string | null {
    return this.#gone;
  }

  readonly onContact: ContactListener = (contact) => {
    if (contact === 'back') this.close();
    else if (this.#cancel === null) this.#askLater();
  };

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#timesAsked = 0;
  }

  /** The text of the provider's `whyGone`; null also when it cannot be asked. */
  async whyGone(): Promise<string | null> {
    const { server, provider, clock, stopping } = this.#options;
    if (provider === undefined) return null;
    const over = new AbortController();
    const cancel = clock.after(ANSWER_LIMIT_MS, () => over.abort());
    const either = AbortSignal.any([stopping, over.signal]);
    try {
      return await raceAbort(provider.whyGone(server, either), either, () => noAnswer(server));
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      return null;
    } finally {
      cancel();
    }
  }

  #askLater(): void {
    this.#timesAsked += 1;
    const waitMs = backoff(this.#timesAsked, FIRST_WAIT_MS, LONGEST_WAIT_MS);
    const cancel = this.#options.clock.after(waitMs, () => void this.#ask(cancel));
    this.#cancel = cancel;
  }

  async #ask(current: () => void): Promise<void> {
    const why = await this.whyGone();
    // It has answered meanwhile, or the watch is closed.
    if (this.#cancel !== current) return;
    if (why === null) this.#askLater();
    else {
      this.#gone = why;
      this.#options.abort.abort(new Error(`the server ${why}`));
    }
  }
}

function noAnswer({ name, provider }: Server): OperationError {
  return new OperationError({
    operation: 'look up server',
    target: name,
    message: `no answer from ${provider}`,
    retryable: true,
    hint: 'none needed',
  });
}
