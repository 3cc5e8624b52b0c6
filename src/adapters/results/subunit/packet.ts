/**
 * Decodes one packet of subunit v2 whose checksum is correct. All numbers are big-endian; lengths and counts are one to
 * four bytes; the first two bits give the number of bytes. Accepts and rejects what python-subunit does, so the version
 * and the reserved flag are ignored.
 */
import { isUtf8 } from 'node:buffer';

/** By its number in the flags. */
export const STATUSES = [
  null,
  'exists',
  'inprogress',
  'success',
  'uxsuccess',
  'skip',
  'fail',
  'xfail',
] as const;
type Status = (typeof STATUSES)[number];

export interface Packet {
  /** Null: the packet belongs to no test. */
  readonly testId: string | null;
  readonly status: Status;
  readonly tags: readonly string[];
  readonly runnable: boolean;
  /** Null: the packet carries no part of a file. */
  readonly fileName: string | null;
  /** The next part of the file. Valid until the call that received the packet returns. */
  readonly content: Buffer;
  readonly mimeType: string | null;
  /** The file is complete. */
  readonly eof: boolean;
  /** The worker or host that sent it; null for none. */
  readonly routeCode: string | null;
  readonly timestamp: Timestamp | null;
}

/** Since 1970, UTC. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A packet with a correct checksum has invalid content. Thrown in this directory only. */
export class BadPacket extends Error {
  override readonly name = 'BadPacket';
  /** True: python-subunit reads nothing after this packet. */
  readonly isLast: boolean;

  constructor(message: string, isLast = false) {
    super(message);
    this.isLast = isLast;
  }
}

const FLAG = {
  testId: 0x0800,
  routeCode: 0x0400,
  timestamp: 0x0200,
  runnable: 0x0100,
  tags: 0x0080,
  file: 0x0040,
  mimeType: 0x0020,
  eof: 0x0010,
} as const;

/** Real packets have a few; further tags are checked and dropped. */
const MAX_TAGS = 1_000;
const EMPTY = Buffer.alloc(0);

/** @param from the first byte after the packet's length; @param to the first byte of its checksum */
export function decodePacket(bytes: Buffer, flags: number, from: number, to: number): Packet {
  const body = new Body(bytes, from, to);
  const timestamp = flags & FLAG.timestamp ? body.timestamp() : null;
  const testId = flags & FLAG.testId ? body.text() : null;
  const tags = flags & FLAG.tags ? body.tags() : [];
  const mimeType = flags & FLAG.mimeType ? body.text() : null;
  const fileName = flags & FLAG.file ? body.text() : null;
  const content = flags & FLAG.file ? body.bytes() : EMPTY;
  const routeCode = flags & FLAG.routeCode ? body.text() : null;
  const status = STATUSES[flags & 7] ?? null;
  const [runnable, eof] = [(flags & FLAG.runnable) !== 0, (flags & FLAG.eof) !== 0];
  return { testId, status, tags, runnable, fileName, content, mimeType, eof, routeCode, timestamp };
}

class Body {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  timestamp(): Timestamp {
    const at = this.#take(4, true);
    return { seconds: this.#bytes.readUInt32BE(at), nanoseconds: this.#number() };
  }

  text(): string {
    const length = this.#number();
    const at = this.#take(length);
    const text = this.#bytes.toString('utf8', at, at + length);
    if (text.includes('\0')) throw new BadPacket('a string contains a NUL');
    // The replacement character may also be a part of the text.
    if (text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(at, at + length)))
      throw new BadPacket('a string is not UTF-8');
    return text;
  }

  bytes(): Buffer {
    const length = this.#number();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Without duplicates. */
  tags(): readonly string[] {
    const count = this.#number();
    const tags = new Set<string>();
    for (let index = 0; index < count; index += 1) {
      const tag = this.text();
      if (tags.size < MAX_TAGS) tags.add(tag);
    }
    return [...tags];
  }

  #number(): number {
    const first = this.#bytes[this.#take(1, true)] ?? 0;
    const more = first >> 6;
    const at = this.#take(more, true);
    let number = first & 0x3f;
    for (let index = at; index < at + more; index += 1) number = number * 256 + (this.#bytes[index] ?? 0);
    return number;
  }

  /** Consumes the next bytes and returns their position. */
  #take(length: number, isNumber = false): number {
    const at = this.#at;
    if (length > this.#end - at)
      throw new BadPacket('a value reaches beyond the end of its packet', isNumber);
    this.#at = at + length;
    return at;
  }
}
