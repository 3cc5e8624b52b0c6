/** The limits for reading a results file, and the error that stops the reader. */

export interface TapLimits {
  /** The maximum size of the whole file, and of one line. */
  readonly bytes: number;
  readonly lineBytes: number;
  /** The maximum number of failed test names to keep, and the maximum length of each. */
  readonly names: number;
  readonly nameLength: number;
  /** The maximum nesting of subtests. */
  readonly depth: number;
  /** The maximum number of out-of-order test numbers to keep. */
  readonly unordered: number;
}

export const TAP_LIMITS: TapLimits = {
  bytes: 64 * 1024 * 1024,
  lineBytes: 64 * 1024,
  names: 20,
  nameLength: 200,
  depth: 50,
  unordered: 100_000,
};

/** The reason that a file is unreadable. Thrown in this directory only. */
export class TapProblem extends Error {
  override readonly name = 'TapProblem';
}
