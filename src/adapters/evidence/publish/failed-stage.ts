/**
 * What the job's page takes from the log of the stage that it explains: the last lines, and the lines that name the
 * failed tests. Both are found while the page of the log is written.
 */
import type { StageEntry } from '../collect/collected.ts';
import type { LogLine } from './log-lines.ts';

/** How many lines are shown, and the maximum length of each. */
const LINES_SHOWN = 25;
const LINE_LIMIT = 500;
/** A line of a test's result, in TAP and as stestr prints it; others may name the test when it starts. */
const RESULT = /\bFAIL|\bnot ok\b|\bERROR\b/;

export interface FailedStage extends StageEntry {
  readonly lastLines: readonly string[];
  /** The number of the first of them in the log. */
  readonly firstLine: number;
}

/** The latest stage that did not exit with 0; when all did (the test results failed the job), the latest stage. */
export function failedStage(stages: readonly StageEntry[]): StageEntry | null {
  return stages.findLast(({ end }) => end !== 'exited 0') ?? stages.at(-1) ?? null;
}

/** Watches the lines of one log. */
export class StageLog {
  readonly #last: LogLine[] = [];
  readonly #found = new Map<string, number>();
  readonly #wanted: Set<string>;

  /** @param tests names of failed tests */
  constructor(tests: readonly string[]) {
    this.#wanted = new Set(tests.filter((name) => name !== ''));
  }

  readonly line = (line: LogLine): void => {
    this.#last.push(line);
    if (this.#last.length > LINES_SHOWN) this.#last.shift();
    for (const name of this.#wanted) {
      if (!line.text.includes(name)) continue;
      const isResult = RESULT.test(line.text);
      if (isResult || !this.#found.has(name)) this.#found.set(name, line.number);
      if (isResult) this.#wanted.delete(name);
    }
  };

  /** The last lines of the log, and the number of the first of them. */
  get end(): Pick<FailedStage, 'lastLines' | 'firstLine'> {
    const lastLines = this.#last.map(({ text }) => text.slice(0, LINE_LIMIT));
    return { lastLines, firstLine: this.#last[0]?.number ?? 1 };
  }

  /** The line with the result of a test, else the first that names it; null: none does. */
  lineOf(test: string): number | null {
    return this.#found.get(test) ?? null;
  }
}
