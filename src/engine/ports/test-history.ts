/**
 * The results of single tests over all runs: side tables, which may be lost or written again without harm. They leave
 * the database with the history of their job.
 */
import type { TestResult } from '../../machines/model/test-result.ts';

/** What was read from the results file of one attempt. */
export interface TestsRead {
  readonly tests: readonly TestResult[];
  /** Why the results are incomplete; null: they are complete. */
  readonly problem: string | null;
}

/** The run of one attempt of a job. */
export interface RunRef {
  readonly job: string;
  readonly change: number;
  readonly patchset: number;
  /** When its results were read, epoch ms. */
  readonly at: number;
}

export interface TestRun extends RunRef {
  readonly attempt: number;
  /** Counts every test, also those that were not stored. */
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Tests beyond the limit of one run; failed ones are stored first. */
  readonly dropped: number;
  readonly problem: string | null;
  /** Failed first, then skipped; by name. */
  readonly tests: readonly StoredTest[];
}

export interface StoredTest extends TestResult {
  /** Equal for failures with the same cause; null: it has not failed, or with an unknown error. */
  readonly fingerprint: string | null;
}

/** Which runs: those that match every given part. */
export interface TestQuery {
  /** Results that were read at this time or later, epoch ms. */
  readonly since?: number;
  /** The job's name. */
  readonly job?: string;
  readonly project?: string;
  readonly branch?: string;
  readonly limit: number;
}

/** A test that failed in the newest run of a job on a branch. */
export interface FailingTest {
  readonly id: string;
  /** The job's name. */
  readonly name: string;
  readonly project: string;
  readonly branch: string;
  readonly error: string | null;
  readonly fingerprint: string | null;
  readonly newest: RunRef;
  /** The first failure after the last run that passed it. */
  readonly first: RunRef;
  /** Failures since then, and the changes that they were on. */
  readonly runs: number;
  readonly changes: number;
}

/** A test with failures that other runs of the same change contradict. */
export interface FlakyTest {
  readonly id: string;
  /** The job's name. */
  readonly name: string;
  /** Failures on changes on which it passed as well. */
  readonly failures: number;
  /** Runs in which it passed or failed. */
  readonly runs: number;
  /** Changes on which it both passed and failed. */
  readonly changes: number;
  /** It passed and failed on the same patchset. */
  readonly samePatchset: boolean;
  /** The newest of the failures. */
  readonly newest: RunRef;
}

export interface SlowTest {
  readonly id: string;
  /** The job's name. */
  readonly name: string;
  /** Runs that passed it. */
  readonly runs: number;
  readonly medianMs: number;
  readonly p90Ms: number;
}

export interface TestReader {
  /** The newest attempt of the job that has results; null: none. */
  testRun(job: string): TestRun | null;
  /** The longest failing first. */
  failingTests(query: TestQuery): readonly FailingTest[];
  /** The largest share of failures first. */
  flakyTests(query: TestQuery): readonly FlakyTest[];
  /** The largest median first. */
  slowestTests(query: TestQuery): readonly SlowTest[];
}

export interface TestRecorder {
  /**
   * Stores the tests of the job's current attempt, and replaces what was stored of it. An unknown job, a full disk or a
   * locked database loses them, and never fails the caller.
   */
  recordTests(job: string, read: TestsRead, at: number): void;
}
