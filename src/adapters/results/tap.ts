/**
 * Reads a TAP file (versions 12 to 14, nested subtests as node's reporter and TAP 14 write them) and sums it up.
 * Whatever the file holds, memory is bounded, and a file that was cut short or makes no sense is unreadable with the
 * reason, never a good result. Tests that have subtests are not counted, but where they failed by themselves.
 */
import type { ResultsSummary } from '../../machines/vocabulary.ts';
import { readLines } from './lines.ts';
import { TAP_LIMITS, type TapLimits, TapProblem } from './tap-limits.ts';
import { parseTapLine, type TapPoint } from './tap-line.ts';
import { TapTree } from './tap-tree.ts';

export type TapResult = ResultsSummary | { readonly unreadable: string };

/** Errors of the stream itself reject; everything that the bytes can do to us is `unreadable`. */
export async function readTap(
  chunks: AsyncIterable<Uint8Array>,
  limits: TapLimits = TAP_LIMITS,
): Promise<TapResult> {
  const reader = new TapReader(limits);
  try {
    for await (const line of readLines(chunks, limits)) reader.take(line.text, line.cut);
    return reader.end();
  } catch (problem) {
    if (problem instanceof TapProblem) return { unreadable: problem.message };
    throw problem;
  }
}

class TapReader {
  readonly #tree: TapTree;
  #lines = 0;
  /** Line that ends the YAML block that we are in; null outside of one. */
  #yamlEnd: string | null = null;
  /** Line that would begin one: the line before was a test point. */
  #yamlStart: string | null = null;

  constructor(limits: TapLimits) {
    this.#tree = new TapTree(limits);
  }

  take(text: string, cut: boolean): void {
    this.#lines += 1;
    if (this.#yamlEnd !== null) {
      if (text === this.#yamlEnd) this.#yamlEnd = null;
      return;
    }
    if (text === this.#yamlStart) {
      this.#yamlEnd = text.replace('---', '...');
      return;
    }
    this.#yamlStart = null;
    const line = parseTapLine(text);
    if (line === null) return;
    if (cut) throw new TapProblem(`line ${this.#lines} is too long`);
    switch (line.kind) {
      case 'version':
        if (this.#lines === 1 && (line.version < 12 || line.version > 14)) {
          throw new TapProblem(`TAP version ${line.version} is not known`);
        }
        return;
      case 'bailOut':
        throw new TapProblem(`the tests bailed out${line.reason === '' ? '' : `: ${line.reason}`}`);
      case 'plan':
        this.#tree.plan(line.depth, line.count);
        return;
      case 'point':
        this.#point(line);
    }
  }

  end(): ResultsSummary {
    if (this.#lines === 0) throw new TapProblem('the file is empty');
    if (this.#yamlEnd !== null) throw new TapProblem('cut short inside the details of a test');
    return this.#tree.end();
  }

  #point(point: TapPoint): void {
    this.#tree.point(point);
    this.#yamlStart = `${' '.repeat(point.depth * 4 + 2)}---`;
  }
}
