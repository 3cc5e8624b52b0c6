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

const REF_NAME = Buffer.from('"refName":"refs/changes/');
const META = Buffer.from('/meta"');
const HEAD = Buffer.from('{"type":"ref-updated",');
const TYPE = Buffer.from(',"type":"ref-updated"');
const CREATED = Buffer.from(',"eventCreatedOn":');
/** `12/9012/` and then some. */
const REF_LIMIT_BYTES = 32;
const SLASH = 0x2f;
const BRACE = 0x7d;
const LETTER_T = 0x74;

/**
 * True for `ref-updated` of refs/changes/NN/N/meta. Sound, not complete: a line that it takes is such an event if it is
 * JSON at all. The type counts only where it is surely a key of the outermost object: as its very first key, or
 * behind the last inner bracket. Inside a string the marks cannot stand, since quotes are escaped there. Most lines
 * are told by a few bytes at their end.
 */
export function isMetaRefUpdate(line: Buffer): boolean {
  if (!endsAsRefUpdate(line) && !(line[2] === LETTER_T && holds(line, HEAD, 0))) return false;
  const name = line.indexOf(REF_NAME);
  if (name < 0) return false;
  const from = name + REF_NAME.length;
  let at = from;
  while (at < from + REF_LIMIT_BYTES && isDigitOrSlash(line[at])) at++;
  // The digits have taken the slash of `/meta` with them.
  return at > from && holds(line, META, at - 1);
}

/** The change that such an update is about; null: its ref is none that Gerrit makes. */
export function changeOfMetaRef(line: Buffer): number | null {
  const from = line.indexOf(REF_NAME) + REF_NAME.length;
  const ref = line.toString('latin1', from, from + REF_LIMIT_BYTES);
  const number = /^\d\d\/(\d{1,9})\/meta"/.exec(ref)?.[1];
  return number === undefined ? null : Number(number);
}

/** `,"type":"ref-updated"}` or with `,"eventCreatedOn":1` before the bracket; white space may follow. */
function endsAsRefUpdate(line: Buffer): boolean {
  let end = line.length;
  while (end > 0 && (line[end - 1] ?? 0) <= 0x20) end--;
  if (line[end - 1] !== BRACE) return false;
  end--;
  let digits = end;
  while (isDigit(line[digits - 1])) digits--;
  if (digits < end) {
    if (!holds(line, CREATED, digits - CREATED.length)) return false;
    end = digits - CREATED.length;
  }
  return holds(line, TYPE, end - TYPE.length);
}

function holds(line: Buffer, part: Buffer, at: number): boolean {
  if (at < 0 || at + part.length > line.length) return false;
  for (let index = 0; index < part.length; index++) if (line[at + index] !== part[index]) return false;
  return true;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isDigitOrSlash(byte: number | undefined): boolean {
  return byte !== undefined && byte >= SLASH && byte <= 0x39;
}
