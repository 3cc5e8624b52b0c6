/** A git server that always has the patchset, in memory; what it left on each server can be asked afterwards. */
import type { Source } from '../../src/engine/ports.ts';
import type { Failure, Patchset, Server } from '../../src/machines/vocabulary.ts';
import { type Hold, Rehearsal } from './rehearsal.ts';

export class FakeSource implements Source {
  /** Prepare, hold, release, count and await calls by name: `fetch`. */
  readonly calls = new Rehearsal<'fetch'>();
  readonly #trees = new Map<string, Patchset>();

  fetch(server: Server, patchset: Patchset, signal: AbortSignal): Promise<string> {
    return this.calls.play('fetch', signal, () => {
      this.#trees.set(server.id, patchset);
      return patchset.revision;
    });
  }

  /** The next fetch rejects with this failure. */
  failNext(failure: Failure): void {
    this.calls.failNext(failure);
  }

  /** The next fetch hangs until `release`. */
  holdNext(hold: Hold = 'answer'): void {
    this.calls.holdNext(hold);
  }

  release(): boolean {
    return this.calls.release();
  }

  /** What the server's work tree holds. */
  tree(server: Pick<Server, 'id'>): Patchset | undefined {
    return this.#trees.get(server.id);
  }
}
