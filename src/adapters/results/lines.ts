/** Splits bytes into lines within limits: a longer line is truncated and marked, and a larger file is an error. */
import { type TapLimits, TapProblem } from './tap-limits.ts';

export interface Line {
  readonly text: string;
  /** True: the line was longer, and `text` is its beginning. */
  readonly cut: boolean;
  /** False: the file ends without a newline after this line. */
  readonly ended: boolean;
}

const NEWLINE = 0x0a;

export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  limits: Pick<TapLimits, 'bytes' | 'lineBytes'>,
): AsyncGenerator<Line> {
  let bytes = 0;
  const line = new LineBuffer(limits.lineBytes);
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > limits.bytes) throw new TapProblem(`the file is larger than ${limits.bytes} bytes`);
    let from = 0;
    for (let to = chunk.indexOf(NEWLINE); to >= 0; to = chunk.indexOf(NEWLINE, from)) {
      line.add(chunk.subarray(from, to));
      yield line.take(true);
      from = to + 1;
    }
    // The source may reuse the chunk.
    line.add(Buffer.from(chunk.subarray(from)));
  }
  if (line.length > 0) yield line.take(false);
}

class LineBuffer {
  readonly #limit: number;
  #parts: Uint8Array[] = [];
  #kept = 0;
  length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(part: Uint8Array): void {
    if (part.length === 0) return;
    const kept = part.subarray(0, this.#limit - this.#kept);
    if (kept.length > 0) this.#parts.push(kept);
    this.#kept += kept.length;
    this.length += part.length;
  }

  take(ended: boolean): Line {
    const text = Buffer.concat(this.#parts).toString('utf8').replace(/\r$/, '');
    const cut = this.length > this.#kept;
    this.#parts = [];
    this.#kept = 0;
    this.length = 0;
    return { text, cut, ended };
  }
}
