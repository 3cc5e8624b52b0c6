/** Publishes to a directory of this host, which a web server serves. The evidence is composed in its final place. */
import type { Expiry, FinishedDirectory, Publisher } from '../../../engine/ports/publisher.ts';
import { expire } from './expire.ts';

export class DirectoryPublisher implements Publisher {
  readonly #root: string;

  /** @param root the root of all logs; created when it is missing */
  constructor(root: string) {
    this.#root = root;
  }

  publish(finished: FinishedDirectory, signal: AbortSignal): Promise<readonly string[]> {
    return finished.compose(this.#root, signal);
  }

  expire(expiry: Expiry, signal: AbortSignal): Promise<number> {
    return expire(this.#root, expiry, signal);
  }
}
