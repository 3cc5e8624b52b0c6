/**
 * Follows one run on a node until it ends, over as many connections as needed. It waits for an unreachable node; the
 * run counts as lost when the node stays unreachable too long or presents another host key. Log data that this host
 * could not write for lack of disk space is requested again later.
 */
import type { ContactListener, RunHandle, RunOutcome } from '../../engine/ports/adapters.ts';
import { errorText, OperationError } from '../../errors.ts';
import { sleep } from '../../timer.ts';
import type { Node } from './node.ts';
import { LogNotWritten, RunMirror } from './run-mirror.ts';
import { pollRun } from './run-poll.ts';

export interface FollowOptions {
  readonly node: Node;
  /** The run's directory on the node. */
  readonly directory: string;
  /** The mirror's directory on this host. */
  readonly mirror: string;
  readonly limitBytes: number;
  /** Resolves when the previous writer of the mirror has finished. */
  readonly after: Promise<void>;
}

export type Watched = Pick<RunHandle, 'ended' | 'detach'>;

/** After consecutive polls that return sooner than this, the follower sleeps before the next poll. */
const SHORT_POLL_MS = 200;

export class RunFollower {
  /** Resolves after the last write. */
  readonly closed: Promise<void>;
  readonly #options: FollowOptions;
  readonly #stop = new AbortController();
  readonly #ended: Promise<RunOutcome>;
  readonly #listeners = new Set<ContactListener>();
  #contact: Parameters<ContactListener>[0] = 'back';

  constructor(options: FollowOptions) {
    this.#options = options;
    let settle: (outcome: RunOutcome) => void = () => {};
    this.#ended = new Promise((resolve) => {
      settle = resolve;
    });
    this.closed = options.after
      .then(() => this.#follow())
      .then((outcome) => {
        if (outcome !== null) settle(outcome);
      });
  }

  /** True once the last watcher has detached. The follower has then stopped too. */
  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  watch(onContact: ContactListener): Watched {
    let detached = false;
    const listener: ContactListener = (contact) => onContact(contact);
    this.#listeners.add(listener);
    if (this.#contact === 'away') onContact('away');
    const ended = new Promise<RunOutcome>((resolve) => {
      void this.#ended.then((outcome) => {
        if (!detached) resolve(outcome);
      });
    });
    const detach = (): void => {
      if (detached) return;
      detached = true;
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop.abort();
    };
    return { ended, detach };
  }

  /** Resolves to null when stopped. */
  async #follow(): Promise<RunOutcome | null> {
    const { signal } = this.#stop;
    const { backoffMaxMs } = this.#options.node.config;
    while (!signal.aborted) {
      try {
        return await this.#followToEnd();
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        if (signal.aborted) return null;
        if (!(error instanceof LogNotWritten) || !error.retryable)
          return { how: 'lost', why: errorText(error) };
        await sleep(backoffMaxMs, signal);
      }
    }
    return null;
  }

  async #followToEnd(): Promise<RunOutcome> {
    const { node, directory, mirror, limitBytes } = this.#options;
    const { commandTimeoutMs, pollIntervalMs: slowPollMs, reconnectTimeoutMs, backoffMinMs } = node.config;
    const task = {
      operation: 'follow stage',
      timeoutMs: reconnectTimeoutMs,
      outageOnly: true,
      signal: this.#stop.signal,
      onContact: (contact: Parameters<ContactListener>[0]) => {
        this.#contact = contact;
        for (const listener of this.#listeners) listener(contact);
      },
    };
    const runMirror = await RunMirror.open(mirror, limitBytes);
    try {
      return await node.using(task, async (connection, signal, alive) => {
        for (let shortPolls = 0; ; ) {
          const began = performance.now();
          const poll = {
            connection,
            directory,
            mirror: runMirror,
            signal,
            alive,
            commandTimeoutMs,
            slowPollMs,
          };
          const outcome = await pollRun(poll);
          if (outcome !== null) return outcome;
          shortPolls = performance.now() - began < SHORT_POLL_MS ? shortPolls + 1 : 0;
          if (shortPolls > 1) await sleep(backoffMinMs, signal);
          if (signal.aborted) throw stopped(directory);
        }
      });
    } finally {
      await runMirror.close();
    }
  }
}

function stopped(target: string): OperationError {
  return new OperationError({
    operation: 'follow stage',
    target,
    message: 'stopped',
    retryable: true,
    hint: 'none needed',
  });
}
