/** Open work that a manual run does not continue, and that can keep its job from starting. */
import type { JobView, Store } from '../engine/ports/store.ts';
import { type BlockedBy, blockedBy, type SlotLimits, type SlotRequest } from '../machines/slot-queue.ts';
import { versionOf } from '../machines/versions.ts';

export class OpenWork {
  readonly #store: Store;
  readonly #limits: SlotLimits;

  constructor(store: Store, limits: SlotLimits) {
    this.#store = store;
    this.#limits = limits;
  }

  /** Open jobs that hold a slot of the provider, how many held servers take one, and how many slots it has. */
  slotUsage(provider: string): {
    readonly holders: readonly JobView[];
    readonly held: number;
    readonly slots: number;
  } {
    const holding = this.#store
      .open()
      .filter((stored) => versionOf(stored).heldSlot(stored)?.provider === provider);
    const holders = holding.flatMap(({ history }) => this.#store.job(history) ?? []);
    const held = holding.length - holders.length;
    return { holders, held, slots: this.#limits.slots[provider] ?? 0 };
  }

  /** What keeps a new job from its slot and its back ends; null: nothing. */
  obstacleFor(job: Pick<SlotRequest, 'provider' | 'name' | 'project' | 'backends'>): BlockedBy | null {
    const request = {
      ...job,
      history: '',
      key: '',
      headStartMs: 0,
      promoted: false,
      requestedAt: 0,
      order: 0,
    };
    const holders = this.#store.open().flatMap((stored) => versionOf(stored).heldSlot(stored) ?? []);
    const queue = { waiting: [], holders, served: new Map<string, number>() };
    return blockedBy(request, queue, this.#limits, 0);
  }

  /** An interrupted review that is about to post on the change. Other reviews of the change wait for it. */
  reviewAboutToPost(change: number): string | null {
    return (
      this.#store
        .open()
        .map((stored) => versionOf(stored).postingReview(stored, change))
        .find((review) => review !== null) ?? null
    );
  }
}
