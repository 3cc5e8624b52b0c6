/**
 * Slots: how many jobs may hold a server of each provider. Who holds one follows from the jobs' stored states; who
 * waits follows from the effects that they are owed, oldest first. A free slot wakes the next at once; nothing polls.
 */

export class Slots {
  private readonly capacity: ReadonlyMap<string, number>;
  private readonly grant: (history: string, key: string) => void;
  private readonly holders = new Map<string, Set<string>>();
  private readonly waiting = new Map<string, Map<string, string>>();
  /** Granted, and not in the log yet: the key by history. */
  private readonly granted = new Map<string, string>();
  private paused = false;

  /** @param capacity slots by provider name; a provider that is not named has none */
  constructor(capacity: ReadonlyMap<string, number>, grant: (history: string, key: string) => void) {
    this.capacity = capacity;
    this.grant = grant;
  }

  request(provider: string, history: string, key: string): void {
    this.waitersOf(provider).set(history, key);
    this.serve(provider);
  }

  /** Takes a request back; one that was granted or never was is no error. */
  withdraw(history: string, key: string): void {
    if (this.granted.get(history) === key) this.granted.delete(history);
    for (const waiters of this.waiting.values()) {
      if (waiters.get(history) === key) waiters.delete(history);
    }
  }

  /**
   * What a committed row says of its job: `provider` is where it holds a slot, null when it holds none. While a grant is
   * on its way to the log (its request is `owed` still) the slot is not free.
   */
  update(history: string, provider: string | null, owed: (key: string) => boolean = () => false): void {
    const key = this.granted.get(history);
    if (provider === null && key !== undefined && owed(key)) return;
    this.granted.delete(history);
    if (provider !== null) {
      this.holdersOf(provider).add(history);
      return;
    }
    for (const [name, holders] of this.holders) {
      if (holders.delete(history)) this.serve(name);
    }
  }

  /** Grants nothing more, for draining. */
  pause(): void {
    this.paused = true;
  }

  private serve(provider: string): void {
    const holders = this.holdersOf(provider);
    const waiters = this.waitersOf(provider);
    for (const [history, key] of waiters) {
      if (this.paused || holders.size >= (this.capacity.get(provider) ?? 0)) return;
      waiters.delete(history);
      holders.add(history);
      this.granted.set(history, key);
      this.grant(history, key);
    }
  }

  private holdersOf(provider: string): Set<string> {
    return entry(this.holders, provider, () => new Set());
  }

  private waitersOf(provider: string): Map<string, string> {
    return entry(this.waiting, provider, () => new Map());
  }
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
