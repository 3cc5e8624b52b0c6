/** A git server in memory that has every patchset. Records the trees that it put on each server. */
import type { EffectOf, Source } from '../../src/engine/ports/adapters.ts';
import type { Failure, MergedTree, Patchset, Server } from '../../src/machines/model/domain.ts';
import { CallController, type Hold } from './call-controller.ts';

type Fetch = EffectOf<'fetchPatchset'>;

export class FakeSource implements Source {
  /** Fails, holds, releases, counts and awaits calls by name: `fetch`. */
  readonly calls = new CallController<'fetch'>();
  readonly #fetched = new Map<string, Fetch>();

  fetch(request: Fetch, signal: AbortSignal): Promise<string> {
    return this.calls.perform('fetch', signal, () => {
      this.#fetched.set(request.server.id, request);
      return request.trees[0]?.revision ?? request.patchset.revision;
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

  /** The patchset that the server's work tree holds. */
  tree(server: Pick<Server, 'id'>): Patchset | undefined {
    return this.#fetched.get(server.id)?.patchset;
  }

  /** The trees on the server: the patchset's own project first, then its dependencies. */
  trees(server: Pick<Server, 'id'>): readonly MergedTree[] {
    return this.#fetched.get(server.id)?.trees ?? [];
  }
}
