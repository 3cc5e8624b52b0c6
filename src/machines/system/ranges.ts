/** Sets of row numbers as sorted ranges, which stay few: what leaves the log is nearly always contiguous. */

/** Both ends belong to the range. */
export type Range = readonly [first: number, last: number];

/** @param numbers ascending, each once */
export function rangesOf(numbers: Iterable<number>): readonly Range[] {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === number) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}

/** @throws when the sets overlap: no row leaves twice */
export function union(one: readonly Range[], other: readonly Range[]): readonly Range[] {
  const merged: [number, number][] = [];
  for (const [first, last] of [...one, ...other].sort(([a], [b]) => a - b)) {
    const before = merged.at(-1);
    if (before !== undefined && before[1] >= first) throw new Error(`row ${first} left before`);
    if (before !== undefined && before[1] + 1 === first) before[1] = last;
    else merged.push([first, last]);
  }
  return merged;
}
