/** How much of a results file is read and kept, and the one way to give up on it. */

export interface TapLimits {
  /** The whole file; one line. */
  readonly bytes: number;
  readonly lineBytes: number;
  /** Names of failed tests that are kept, and the length of each. */
  readonly names: number;
  readonly nameLength: number;
  /** Subtests inside subtests. */
  readonly depth: number;
  /** Numbers of tests that are kept because those before them have not come. */
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

/** A reason to give up, thrown inside this folder only. */
export class TapProblem extends Error {
  override readonly name = 'TapProblem';
}
