/** What was decided, as the store has it and as it is on its way there: the next event is compared with both. */
import type { IdAssignment, SeenEvent } from '../../machines/trigger/deduplication.ts';
import type { IntakeUpdate, Store } from '../ports/store.ts';

export const NO_UPDATE: IntakeUpdate = { seen: [], streamed: [], shown: [], intake: null };

export class SeenCache {
  readonly #store: Store;
  /** Newer than the store's, by number. */
  readonly #onTheWay = new Map<number, SeenEvent>();
  #last: number;

  constructor(store: Store) {
    this.#store = store;
    this.#last = store.lastSeen();
  }

  /** The highest number that was given. */
  get last(): number {
    return this.#last;
  }

  /** A number that is nobody else's, ever. */
  nextNumber(): number {
    this.#last += 1;
    return this.#last;
  }

  forChange(change: number): readonly SeenEvent[] {
    const stored = this.#store.seen(change);
    if (this.#onTheWay.size === 0) return stored;
    const all = new Map(stored.map((one) => [one.number, one] as const));
    for (const [number, one] of this.#onTheWay) if (one.change === change) all.set(number, one);
    return [...all.values()];
  }

  /** Counts from now on, and is in the store when `durable` resolves. `changed` holds those that are marked, as they were. */
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
    for (const one of newer) this.#onTheWay.set(one.number, one);
    const arrived = (): void => {
      for (const one of newer) if (this.#onTheWay.get(one.number) === one) this.#onTheWay.delete(one.number);
    };
    // Whoever waits for it hears of a failure; nobody decides on anything after that.
    durable.then(arrived, () => {});
  }
}

function idIn(named: readonly IdAssignment[], number: number): Pick<SeenEvent, 'id'> {
  const id = named.find((one) => one.number === number)?.id;
  return id === undefined ? {} : { id };
}
