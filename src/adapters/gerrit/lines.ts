/**
 * Gerrit's stream as lines, cut on bytes: decoding or `readline` would cost more than all the rest. Nothing is kept
 * of a line past the limit but its beginning. Also the cheap test for the half of the stream that says nothing to
 * us, done before any parsing.
 */

/** A line that was longer than the limit, and passed over. */
export interface OverlongLine {
  readonly bytes: number;
  readonly start: Buffer;
}

export type Line = Buffer | OverlongLine;

const NEWLINE = 0x0a;
const SAMPLE_BYTES = 1_024;

/** Bytes in, whole lines out, without their line ends. */
export class LineSplitter {
  readonly #limitBytes: number;
  #parts: Buffer[] = [];
  /** Bytes of the unfinished line so far, also when they were not kept. */
  #bytes = 0;
  #start: Buffer | null = null;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  push(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      this.#take(chunk.subarray(from, at));
      lines.push(this.#finish());
      from = at + 1;
    }
    if (from < chunk.length) this.#take(chunk.subarray(from));
    return lines;
  }

  /** What is left of a line when the stream has ended without a line end; null when nothing is. */
  end(): Line | null {
    return this.#bytes === 0 ? null : this.#finish();
  }

  #take(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#start !== null) return;
    this.#parts.push(part);
    if (this.#bytes <= this.#limitBytes) return;
    // A copy, so that the long line's chunks are not held by it.
    this.#start = Buffer.from(Buffer.concat(this.#parts, Math.min(this.#bytes, SAMPLE_BYTES)));
    this.#parts = [];
  }

  #finish(): Line {
    const [only] = this.#parts;
    const line: Line =
      this.#start !== null
        ? { bytes: this.#bytes, start: this.#start }
        : only !== undefined && this.#parts.length === 1
          ? only
          : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    this.#start = null;
    return line;
  }
}

const META = Buffer.from('/meta"');
const REF_NAME = Buffer.from('"refName":"refs/changes/');
/** Longer than what can follow the marks below in an event of Gerrit's. */
const TAIL_BYTES = 80;
const HEAD = Buffer.from('{"type":"ref-updated",');
const TAIL = /,"type":"ref-updated"(?:,"eventCreatedOn":\d{1,16})?\}\s*$/;
const DIGITS_AND_SLASHES = /^[0-9/]{1,32}$/;

/**
 * True for `ref-updated` of refs/changes/NN/N/meta. Sound, not complete: a line that it takes is such an event if it is
 * JSON at all. The type counts only where it is surely a key of the outermost object: as its very first key, or
 * behind the last inner bracket. Inside a string the marks can not stand, since quotes are escaped there.
 */
export function isMetaRefUpdate(line: Buffer): boolean {
  const meta = line.indexOf(META);
  if (meta < 0) return false;
  if (!line.subarray(0, HEAD.length).equals(HEAD)) {
    const tail = line.toString('latin1', Math.max(0, line.length - TAIL_BYTES));
    if (!TAIL.test(tail)) return false;
  }
  const name = line.indexOf(REF_NAME);
  if (name < 0) return false;
  const from = name + REF_NAME.length;
  const to = line.indexOf(META, from);
  if (to - from > 32) return false;
  return to > from && DIGITS_AND_SLASHES.test(line.toString('latin1', from, to));
}
