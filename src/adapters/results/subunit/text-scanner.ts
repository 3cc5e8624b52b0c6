/**
 * Follows the text between packets byte by byte, because the signature of a packet, 0xb3, is also the end of many
 * characters in UTF-8. After an invalid byte python-subunit keeps the beginning of a character that it has seen before;
 * so does this, or the two would find different packets after damage.
 */
const LOWEST_PRINTABLE = 0x20;
const DELETE = 0x7f;
/** Tab, line feed, form feed, carriage return, and the escape that begins a colour. */
const TEXT_CONTROLS: readonly number[] = [0x09, 0x0a, 0x0c, 0x0d, 0x1b];

export class TextScanner {
  /** The next byte belongs to the same character. */
  midCharacter = false;
  /** The first bytes of an incomplete character. */
  readonly #partial: number[] = [];

  /** False: the byte is not text. */
  take(byte: number): boolean {
    if (this.#partial.length === 0 && byte < 0x80) {
      this.midCharacter = false;
      return byte >= LOWEST_PRINTABLE ? byte !== DELETE : TEXT_CONTROLS.includes(byte);
    }
    const missing = missingAfter([...this.#partial, byte]);
    this.midCharacter = missing !== null && missing > 0;
    if (missing === 0) this.#partial.length = 0;
    else if (missing !== null) this.#partial.push(byte);
    return missing !== null;
  }
}

/** How many bytes the character lacks; null when nothing can complete it. */
function missingAfter(bytes: readonly number[]): number | null {
  const [first = 0, second, ...rest] = bytes;
  const length = characterLength(first);
  if (length === null) return null;
  if (second !== undefined && !isSecond(first, second)) return null;
  // Python waits for the last byte of a surrogate, and then rejects it.
  if (first === 0xed && second !== undefined && second >= 0xa0 && rest.length > 0) return null;
  return rest.every(continues) ? length - bytes.length : null;
}

function characterLength(first: number): number | null {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return null;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** Excludes overlong encodings, and code points beyond the last one. */
function isSecond(first: number, second: number): boolean {
  if (!continues(second)) return false;
  switch (first) {
    case 0xe0:
      return second >= 0xa0;
    case 0xf0:
      return second >= 0x90;
    case 0xf4:
      return second < 0x90;
    default:
      return true;
  }
}

function continues(byte: number): boolean {
  return byte >= 0x80 && byte < 0xc0;
}
