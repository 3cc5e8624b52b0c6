/**
 * Tracks what may have been missed and was not checked yet: everything, or some changes. While there is any, the
 * position does not advance, so after a crash the next daemon's catch-up begins before the gap.
 */
export class GapTracker {
  #everything = true;
  readonly #changes = new Set<number>();
  #running = 0;
  #count = 0;
  /** Number of the newest successful full catch-up; it covers what older failed ones missed. */
  #newestFull = 0;

  /** True when no gap is known and no catch-up is running. */
  get none(): boolean {
    return !this.#everything && this.#changes.size === 0 && this.#running === 0;
  }

  /** @param changes null: everything */
  open(changes: readonly number[] | null): void {
    if (changes === null) this.#everything = true;
    else for (const change of changes) this.#changes.add(change);
  }

  /**
   * Begins a catch-up. Gaps that open from now on stay open after it. The returned function ends it: its gaps are
   * closed, or open again when it failed.
   */
  begin(changes: readonly number[] | null): (succeeded: boolean) => void {
    const covered = changes ?? [...this.#changes];
    if (changes === null) this.#everything = false;
    for (const change of covered) this.#changes.delete(change);
    this.#running += 1;
    this.#count += 1;
    const number = this.#count;
    return (succeeded) => {
      this.#running -= 1;
      if (succeeded && changes === null) this.#newestFull = Math.max(this.#newestFull, number);
      if (!succeeded && number > this.#newestFull) this.open(changes === null ? null : covered);
    };
  }
}
