/**
 * What may have been missed and was not looked for yet: everything, or some changes. While there is any, the position
 * stands still, so that a daemon that dies now is followed by one that looks from before the gap.
 */
export class GapTracker {
  #everything = true;
  readonly #changes = new Set<number>();
  #looks = 0;
  #begun = 0;
  /** The newest look for everything that worked; what an older one did not find, it has. */
  #whole = 0;

  /** True when nothing can have been missed, as far as anybody knows. */
  get none(): boolean {
    return !this.#everything && this.#changes.size === 0 && this.#looks === 0;
  }

  /** @param changes null: everything */
  open(changes: readonly number[] | null): void {
    if (changes === null) this.#everything = true;
    else for (const change of changes) this.#changes.add(change);
  }

  /**
   * A look begins. What opens from now on stays open after it. The returned function ends it: what it was for is closed,
   * or open as before when it did not work.
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
