/**
 * Measures each benchmark and its limit alternately in one run. Disk and processor of a shared machine vary widely
 * within minutes, so only ratios of neighbouring measurements are compared, never times.
 */

/** A measured ratio. */
export interface Result {
  readonly benchmark: string;
  /** What was measured. */
  readonly what: string;
  /** The limit that it was measured against, in the same run. */
  readonly against: string;
  /** Median of the rounds' ratios, and their range. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
  /** Explains the figure: times, numbers of rows. */
  readonly note: string;
}

/** Samples of one side in one round, in ms. */
export type Round = Readonly<Record<string, readonly number[]>>;

export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
}

/** Ratio of two sides: the quotient of their medians in each round; median and range over the rounds. */
export function ratioOf(rounds: readonly Round[], side: string, limit: string): Ratio {
  return spread(rounds.map((round) => median(samples(round, side)) / median(samples(round, limit))));
}

export function spread(values: readonly number[]): Ratio {
  return {
    ratio: median(values),
    low: quantile(values, 0),
    high: quantile(values, 1),
    rounds: values.length,
  };
}

/** All samples of a side, over all rounds. */
export function pooled(rounds: readonly Round[], side: string): readonly number[] {
  return rounds.flatMap((round) => samples(round, side));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => unknown): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** The same for synchronous work: no turn of the event loop passes before the clock is read. */
export function timedSync(work: () => unknown): number {
  const begin = performance.now();
  work();
  return performance.now() - begin;
}

/**
 * CPU time of this process in ms, for work that does not wait. Excludes other processes, includes the threads of the
 * garbage collector.
 */
export async function processorTime(work: () => unknown): Promise<number> {
  const begin = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1_000;
}

/** Runs each side once in each round, always in the same order: A B A B. */
export async function inTurns(
  rounds: number,
  sides: Readonly<Record<string, (round: number) => number | Promise<number>>>,
): Promise<Round[]> {
  const allRounds: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const samples: Record<string, number[]> = {};
    for (const [name, side] of Object.entries(sides)) samples[name] = [await side(round)];
    allRounds.push(samples);
  }
  return allRounds;
}

export function ms(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
}

function samples(round: Round, side: string): readonly number[] {
  const found = round[side];
  if (found === undefined) throw new Error(`${side} was not measured`);
  return found;
}
