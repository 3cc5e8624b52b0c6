/** Publishes to a directory of this host, which a web server serves. The evidence is composed below that directory. */
import type { Expiry, FinishedDirectory, Publisher } from '../../../engine/ports/publisher.ts';
import { Semaphore } from '../../../semaphore.ts';
import { expire } from './expire.ts';
import { updateLocalPages } from './local-pages.ts';
import { ignoreDiskErrors } from './publish.ts';

export class DirectoryPublisher implements Publisher {
  readonly #root: string;
  /** One call at a time writes the pages of the directories above. */
  readonly #pages = new Semaphore(1);

  /** @param root the root of all logs; created when it is missing */
  constructor(root: string) {
    this.#root = root;
  }

  async publish(finished: FinishedDirectory, signal: AbortSignal): Promise<readonly string[]> {
    const segments = await finished.compose(this.#root, signal);
    // The evidence is published, whether or not the pages can be written. The next publication corrects them.
    await this.#pages.run(() => updateLocalPages(this.#root, finished.parent)).catch(ignoreDiskErrors);
    return segments;
  }

  expire(expiry: Expiry, signal: AbortSignal): Promise<number> {
    return expire(this.#root, expiry, signal);
  }
}
