/**
 * The test numbers seen at one level. TAP 14 permits any order, so an early number is kept until all lower ones have
 * been seen; a file in order needs no memory.
 */
import { TapProblem } from './tap-limits.ts';

export class NumbersSeen {
  readonly #budget: { left: number };
  /** All numbers up to this one have been seen. */
  #upTo = 0;
  readonly #ahead = new Set<number>();

  /** @param budget how many more numbers may be kept, shared by all levels */
  constructor(budget: { left: number }) {
    this.#budget = budget;
  }

  /** False: the number was seen before. @throws TapProblem */
  add(number: number): boolean {
    if (number <= this.#upTo || this.#ahead.has(number)) return false;
    if (number > this.#upTo + 1) {
      if (this.#budget.left === 0) throw new TapProblem('the tests are numbered too far out of order');
      this.#budget.left -= 1;
      this.#ahead.add(number);
      return true;
    }
    this.#upTo = number;
    while (this.#ahead.delete(this.#upTo + 1)) {
      this.#upTo += 1;
      this.#budget.left += 1;
    }
    return true;
  }

  reset(): void {
    this.#budget.left += this.#ahead.size;
    this.#ahead.clear();
  }
}
