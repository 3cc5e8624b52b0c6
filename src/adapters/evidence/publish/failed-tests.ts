/** The failed tests of the job's page. */
import type { TestReport } from '../../../engine/ports/adapters.ts';
import type { CollectedTest } from '../collect/collected.ts';

/** How many failed tests the page names, and how many of them with their traceback. */
const NAMED = 25;
const WITH_TRACEBACK = 5;
/** The part of a traceback that the page shows, in characters. */
const TRACEBACK_LIMIT = 16 * 1024;

/** A failed test on the job's page. */
export interface FailedTest {
  readonly name: string;
  /** Its place on the page of the results; null: that page does not have it. */
  readonly anchor: string | null;
  /** '' when there is none; with `isCut` only its end. */
  readonly traceback: string;
  readonly isCut: boolean;
  /** The line of the log of the stage that names it; null: none does. */
  readonly line: number | null;
}

/** The place of the failed test number `index` on the page of the results. */
export function anchorOf(index: number): string {
  return `failed-${index + 1}`;
}

/** The first failed tests of a report. They are redacted when they are published. */
export function collectedTests({ tests }: TestReport): readonly CollectedTest[] {
  const failed = tests.filter(({ outcome }) => outcome === 'failed').slice(0, NAMED);
  return failed.map(({ id, details }, index) => {
    const shown = details.find(({ name }) => name.startsWith('traceback')) ?? details[0];
    const hasTraceback = shown !== undefined && index < WITH_TRACEBACK;
    return { id, traceback: hasTraceback ? shown.text : '', isCut: hasTraceback && shown.isCut };
  });
}

/** @param failures names of failed tests, if their results are not a subunit stream */
export function failedTests(
  collected: readonly CollectedTest[],
  failures: readonly string[],
  clean: (text: string) => string,
): readonly Omit<FailedTest, 'line'>[] {
  if (collected.length === 0)
    return failures.map((name) => ({ name: clean(name), anchor: null, traceback: '', isCut: false }));
  return collected.map(({ id, traceback, isCut }, index) => {
    // Cut only after it was redacted: part of a secret would not be recognized.
    const text = clean(traceback).trimEnd();
    const end = text.slice(-TRACEBACK_LIMIT);
    const shown = end.length < text.length ? end.slice(end.indexOf('\n') + 1) : end;
    return {
      name: clean(id),
      anchor: anchorOf(index),
      traceback: shown,
      isCut: isCut || shown.length < text.length,
    };
  });
}

/** What a log may call the test: without the ids that Tempest appends. */
export function nameInLog(name: string): string {
  return name.replace(/\[[^\]]*\]$/, '');
}
