/** The result of one test of a run, and the comparison of failures. */

export type TestOutcome = 'passed' | 'skipped' | 'failed';

export interface TestResult {
  readonly id: string;
  readonly outcome: TestOutcome;
  /** Null: unknown. */
  readonly durationMs: number | null;
  /** The exception with its message, on one line; null: unknown, or the test has not failed. */
  readonly error: string | null;
}

/** Long enough to tell errors apart, and short enough for thousands of them. */
const MAX_FINGERPRINT = 120;

/**
 * The error without what differs between two runs: ids, addresses and other numbers. Two failures with the same
 * fingerprint have probably the same cause.
 */
export function failureFingerprint(error: string): string {
  return error
    .replaceAll(/\b0x[0-9a-f]+\b/gi, '#')
    .replaceAll(/\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b/gi, '#')
    .replaceAll(/\b(?=[a-f]*\d)[0-9a-f]{7,}\b/gi, '#')
    .replaceAll(/\d+(?:\.\d+)*/g, '#')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_FINGERPRINT);
}
