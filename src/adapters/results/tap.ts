/**
 * Reads a TAP file (versions 12 to 14, nested subtests as written by Node's reporter and by TAP 14) and summarizes it.
 * Memory is bounded for any content. A file that is truncated or invalid is unreadable, with the reason, and never a
 * success; if a test failed before that point, the failure is the result. Tests with subtests are not counted, unless
 * they failed although no subtest did.
 */
import type { ResultsSummary } from '../../machines/model/domain.ts';
import { type Line, readLines } from './lines.ts';
import { TAP_LIMITS, type TapLimits, TapProblem } from './tap-limits.ts';
import { parseTapLine, type TapLine, type TapPoint } from './tap-line.ts';
import { TapTree } from './tap-tree.ts';

export type TapResult = ResultsSummary | { readonly unreadable: string };

/** Rejects with errors of the stream; any invalid content results in `unreadable`. */
export async function readTap(
  chunks: AsyncIterable<Uint8Array>,
  limits: TapLimits = TAP_LIMITS,
): Promise<TapResult> {
  const reader = new TapReader(limits);
  try {
    for await (const line of readLines(chunks, limits)) reader.take(line);
    return reader.end();
  } catch (problem) {
    if (problem instanceof TapProblem) return reader.failures() ?? { unreadable: problem.message };
    throw problem;
  }
}

class TapReader {
  readonly #tree: TapTree;
  #lines = 0;
  /** Indentation of the current YAML block; null outside of one. */
  #yaml: string | null = null;
  /** The latest test, until it is known whether its subtests follow it. */
  #held: TapPoint | null = null;
  /** The previous line belongs to `held`: the test itself, or the end of its YAML block. */
  #adjacent = false;
  #strict = false;
  /** The failures before a line without a newline: that line may have lost its `# TODO`. */
  #failuresBefore: { readonly failures: ResultsSummary | null } | null = null;

  constructor(limits: TapLimits) {
    this.#tree = new TapTree(limits);
  }

  /** The failures in a file that cannot be read to its end; null: none. */
  failures(): ResultsSummary | null {
    if (this.#failuresBefore !== null) return this.#failuresBefore.failures;
    this.#release();
    return this.#tree.failures;
  }

  take({ text, cut, ended }: Line): void {
    this.#lines += 1;
    if (!ended) {
      this.#release();
      this.#failuresBefore = { failures: this.#tree.failures };
    }
    if (this.#inYaml(text)) return;
    const line = parseTapLine(text);
    if (line === null) {
      if (this.#strict && !/^\s*(#.*)?$/.test(text)) this.#tree.fault(`line ${this.#lines} is not TAP`);
      return;
    }
    if (cut) throw new TapProblem(`line ${this.#lines} is too long`);
    this.#act(line);
  }

  end(): ResultsSummary {
    if (this.#lines === 0) throw new TapProblem('the file is empty');
    this.#release();
    if (this.#yaml !== null) throw new TapProblem('cut short inside the details of a test');
    return this.#tree.end();
  }

  /** A line with less indentation ends the block: the block was invalid. */
  #inYaml(text: string): boolean {
    if (this.#yaml !== null) {
      if (text === `${this.#yaml}...`) {
        this.#yaml = null;
        this.#adjacent = true;
        return true;
      }
      if (text.trim() === '' || text.startsWith(this.#yaml)) return true;
      this.#yaml = null;
    }
    if (this.#held === null || !this.#adjacent) return false;
    const indent = ' '.repeat(this.#held.depth * 4 + 2);
    if (text === `${indent}---`) this.#yaml = indent;
    this.#adjacent = text === `${' '.repeat(this.#held.depth * 4)}{`;
    return this.#yaml !== null;
  }

  #act(line: TapLine): void {
    switch (line.kind) {
      case 'version':
        if (this.#lines === 1 && (line.version < 12 || line.version > 14))
          throw new TapProblem(`TAP version ${line.version} is not supported`);
        return;
      case 'strict':
        this.#strict = line.on;
        return;
      case 'bailOut':
        this.#release();
        throw new TapProblem(`the tests bailed out${line.reason === '' ? '' : `: ${line.reason}`}`);
      case 'open':
        if (this.#adjacent && this.#held !== null) this.#held = { ...this.#held, brace: true };
        return;
      case 'close':
        this.#release(line.depth + 1);
        this.#tree.close(line.depth);
        return;
      case 'plan':
        this.#release(line.depth);
        this.#tree.plan(line.depth, line.count);
        return;
      case 'point':
        this.#release(line.depth);
        this.#held = line;
        this.#adjacent = true;
    }
  }

  /** @param depth the depth of the next line; subtests of a test with a brace are one level deeper than the test */
  #release(depth = -1): void {
    const point = this.#held;
    this.#held = null;
    if (point === null) return;
    if (point.brace && depth === point.depth + 1) this.#tree.open(point);
    else this.#tree.point(point.brace ? { ...point, name: `${point.name} {`.trim() } : point);
  }
}
