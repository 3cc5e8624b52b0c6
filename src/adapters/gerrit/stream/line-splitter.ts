/**
 * Splits Gerrit's stream into lines at byte level: decoding or `readline` would cost more than all other processing. Of
 * a line over the limit, only the beginning is kept. Also detects meta ref updates, about half of the stream, without
 * parsing them.
 */

/** A skipped line that exceeded the limit. */
export interface OverlongLine {
  readonly bytes: number;
  readonly start: Buffer;
}

export type Line = Buffer | OverlongLine;

const NEWLINE = 0x0a;
const SAMPLE_BYTES = 1_024;

/** Takes bytes and returns complete lines without line endings. */
export class LineSplitter {
  readonly #limitBytes: number;
  #parts: Buffer[] = [];
  /** Bytes of the unfinished line so far, including those not kept. */
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

  /** The unterminated rest after the end of the stream; null when there is none. */
  end(): Line | null {
    return this.#bytes === 0 ? null : this.#finish();
  }

  #take(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#start !== null) return;
    this.#parts.push(part);
    if (this.#bytes <= this.#limitBytes) return;
    // Copied, so that the chunks of the long line can be freed.
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
/** Enough for `12/9012/` and longer numbers. */
const REF_LIMIT_BYTES = 32;
const SLASH = 0x2f;
const BRACE = 0x7d;
const LETTER_T = 0x74;

/**
 * True for `ref-updated` of refs/changes/NN/N/meta. Sound but incomplete: every line it matches is such an event if it
 * is valid JSON. The type counts only as a key of the outermost object: as its first key, or after the last inner
 * bracket. The patterns cannot match inside a string, where quotes are escaped. A few bytes at the end decide most
 * lines.
 */
export function isMetaRefUpdate(line: Buffer): boolean {
  if (!endsAsRefUpdate(line) && !(line[2] === LETTER_T && matchesAt(line, HEAD, 0))) return false;
  const name = line.indexOf(REF_NAME);
  if (name < 0) return false;
  const from = name + REF_NAME.length;
  let at = from;
  while (at < from + REF_LIMIT_BYTES && isDigitOrSlash(line[at])) at++;
  // The digit loop has consumed the slash of `/meta`.
  return at > from && matchesAt(line, META, at - 1);
}

/** The change that the update is about; null when the ref does not have Gerrit's form. */
export function changeOfMetaRef(line: Buffer): number | null {
  const from = line.indexOf(REF_NAME) + REF_NAME.length;
  const ref = line.toString('latin1', from, from + REF_LIMIT_BYTES);
  const number = /^\d\d\/(\d{1,9})\/meta"/.exec(ref)?.[1];
  return number === undefined ? null : Number(number);
}

/**
 * Ends with `,"type":"ref-updated"}`, optionally with `,"eventCreatedOn":1` before the brace and white space after it.
 */
function endsAsRefUpdate(line: Buffer): boolean {
  let end = line.length;
  while (end > 0 && (line[end - 1] ?? 0) <= 0x20) end--;
  if (line[end - 1] !== BRACE) return false;
  end--;
  let digits = end;
  while (isDigit(line[digits - 1])) digits--;
  if (digits < end) {
    if (!matchesAt(line, CREATED, digits - CREATED.length)) return false;
    end = digits - CREATED.length;
  }
  return matchesAt(line, TYPE, end - TYPE.length);
}

function matchesAt(line: Buffer, part: Buffer, at: number): boolean {
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
