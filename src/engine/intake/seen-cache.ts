/** The decided events, both stored and still being stored: the next event is compared with both. */
import type { IdAssignment, SeenEvent } from '../../machines/trigger/deduplication.ts';
import type { IntakeUpdate, Store } from '../ports/store.ts';

export const NO_UPDATE: IntakeUpdate = { seen: [], streamed: [], shown: [], intake: null };

export class SeenCache {
  readonly #store: Store;
  /** Events that are not durable yet, by number. */
  readonly #unstored = new Map<number, SeenEvent>();
  #last: number;

  constructor(store: Store) {
    this.#store = store;
    this.#last = store.lastSeen();
  }

  /** The highest assigned number. */
  get last(): number {
    return this.#last;
  }

  /** Returns a number that was never used before. */
  nextNumber(): number {
    this.#last += 1;
    return this.#last;
  }

  forChange(change: number): readonly SeenEvent[] {
    const stored = this.#store.seen(change);
    if (this.#unstored.size === 0) return stored;
    const all = new Map(stored.map((one) => [one.number, one] as const));
    for (const [number, one] of this.#unstored) if (one.change === change) all.set(number, one);
    return [...all.values()];
  }

  /**
   * Applies the update at once; the store has it when `durable` resolves. `changed` holds the marked events in their
   * earlier state.
   */
  add(
    { seen, streamed, shown, named = [] }: IntakeUpdate,
    changed: readonly SeenEvent[],
    durable: Promise<void>,
  ): void {
    const newer = [
      ...seen,
      ...changed.map((one) => ({
        ...one,
        streamed: one.streamed || streamed.includes(one.number),
        hidden: one.hidden && !shown.includes(one.number),
        ...idIn(named, one.number),
      })),
    ];
    for (const one of newer) this.#unstored.set(one.number, one);
    const removeStored = (): void => {
      for (const one of newer) if (this.#unstored.get(one.number) === one) this.#unstored.delete(one.number);
    };
    // The caller that awaits `durable` handles a failure; no further decisions follow one.
    durable.then(removeStored, () => {});
  }
}

function idIn(named: readonly IdAssignment[], number: number): Pick<SeenEvent, 'id'> {
  const id = named.find((one) => one.number === number)?.id;
  return id === undefined ? {} : { id };
}
