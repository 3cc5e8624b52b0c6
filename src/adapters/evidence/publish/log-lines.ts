/**
 * The lines of a log and their levels. Bytes are split without decoding more than one line, and a line is decoded only
 * up to `LINE_BYTES`, so memory does not grow with the log.
 */

/** The part of a line that a page shows, in bytes. */
const LINE_BYTES = 16 * 1024;
const LINE_FEED = 0x0a;

export interface LogLine {
  /** From 1. */
  readonly number: number;
  /** The position of its first byte in the log. */
  readonly offset: number;
  readonly text: string;
  /** How many bytes at its end are not in `text`. */
  readonly hidden: number;
}

/** Splits the chunks of a log. A chunk need not stay valid after its lines were taken. */
export class LineSplitter {
  #number = 0;
  #offset = 0;
  /** The beginning of the current line, at most `LINE_BYTES`, and the line's length so far. */
  #held: Buffer = Buffer.alloc(0);
  #length = 0;

  *push(chunk: Buffer): Generator<LogLine> {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      yield this.#line(chunk.subarray(from, end), 1);
      from = end + 1;
    }
    this.#hold(chunk.subarray(from));
  }

  /** The last line, if it has no line feed at its end. */
  *end(): Generator<LogLine> {
    if (this.#length > 0) yield this.#line(Buffer.alloc(0), 0);
  }

  #hold(piece: Buffer): void {
    const room = LINE_BYTES - this.#held.length;
    if (room > 0 && piece.length > 0) this.#held = Buffer.concat([this.#held, piece.subarray(0, room)]);
    this.#length += piece.length;
  }

  #line(rest: Buffer, feedBytes: number): LogLine {
    let shown = rest.subarray(0, LINE_BYTES);
    if (this.#length > 0) {
      this.#hold(rest);
      shown = this.#held;
    } else this.#length = rest.length;
    const [length, offset] = [this.#length, this.#offset];
    this.#number += 1;
    this.#offset += length + feedBytes;
    this.#held = Buffer.alloc(0);
    this.#length = 0;
    const text = shown.toString('utf8').replace(/\r$/, '');
    return { number: this.#number, offset, text, hidden: length - shown.length };
  }
}

export const LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const;
export type Level = (typeof LEVELS)[number];

/** Level words of oslo.log, of the standard library, and of older releases of OpenStack. */
const WORDS: Readonly<Record<string, Level>> = {
  DEBUG: 'debug',
  INFO: 'info',
  AUDIT: 'info',
  WARN: 'warning',
  WARNING: 'warning',
  ERROR: 'error',
  TRACE: 'error',
  CRITICAL: 'critical',
  FATAL: 'critical',
};
const WORD = `(${Object.keys(WORDS).join('|')})`;
/** `2026-01-02 03:04:05.678` as in files, `Jan 02 03:04:05.678` as in exports of journald. */
const TIME = /^\[?(?:\d{4}-\d\d-\d\d[ T]|[A-Z][a-z]{2} [ \d]\d )\d\d:\d\d:\d\d\S*/;
/** Up to four words between time and level: process id, or host and unit. */
const AFTER_TIME = new RegExp(`^\\s+(?:\\S+\\s+){0,4}?${WORD}(?=[\\s:\\]]|$)`);
const AT_START = new RegExp(`^\\[?${WORD}(?=[\\s:\\]]|$)`);
/** How much of a line can hold its time and level. */
const HEAD_CHARACTERS = 300;
const NESTED = /^(?:\s|Traceback \()/;
const EXCEPTION = /^[A-Za-z_][\w.]*(?::|$)/;

/**
 * Finds the level of each line of one log, in order. Lines without a time or level may continue the record before them.
 */
export class LevelReader {
  #level: Level | null = null;
  /** True: any line without a time continues the record. False: only indented lines and the end of a traceback do. */
  #stamped = false;
  #nested = false;

  /** @param text a line without control sequences */
  next(text: string): Level | null {
    const head = text.slice(0, HEAD_CHARACTERS);
    const time = TIME.exec(head);
    const word = time === null ? AT_START.exec(head)?.[1] : AFTER_TIME.exec(head.slice(time[0].length))?.[1];
    if (time !== null || word !== undefined) {
      this.#level = word === undefined ? null : (WORDS[word] ?? null);
      this.#stamped = time !== null;
      this.#nested = false;
      return this.#level;
    }
    const nested = NESTED.test(head);
    const continues = this.#stamped || nested || (this.#nested && EXCEPTION.test(head));
    if (!continues) this.#level = null;
    this.#nested = nested;
    return this.#level;
  }
}
