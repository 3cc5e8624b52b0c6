/**
 * Tracks what may have been missed and was not checked yet: everything, or some changes. While there is any, the
 * position does not advance, so after a crash the next daemon's catch-up begins before the gap.
 */
export class GapTracker {
  #everything = true;
  readonly #changes = new Set<number>();
  #looks = 0;
  #begun = 0;
  /** Number of the newest successful full catch-up; it covers what older failed ones missed. */
  #whole = 0;

  /** True when, as far as is known, nothing can have been missed. */
  get none(): boolean {
    return !this.#everything && this.#changes.size === 0 && this.#looks === 0;
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
  begin(changes: readonly number[] | null): (worked: boolean) => void {
    const covered = changes ?? [...this.#changes];
    if (changes === null) this.#everything = false;
    for (const change of covered) this.#changes.delete(change);
    this.#looks += 1;
    this.#begun += 1;
    const number = this.#begun;
    return (worked) => {
      this.#looks -= 1;
      if (worked && changes === null) this.#whole = Math.max(this.#whole, number);
      if (!worked && number > this.#whole) this.open(changes === null ? null : covered);
    };
  }
}
