/**
 * Finds the packets of subunit v2 in a byte stream that comes in chunks of any size. At most one packet is buffered,
 * which the format limits to 4 MiB.
 * After damage it continues where python-subunit would: after the length that a packet with a wrong checksum claims. An
 * attachment may contain packets of other tests, so a search inside a damaged packet could find tests that never ran.
 * It stops where python-subunit stops: at a length below the header's, and at a number that is cut off although the
 * checksum is correct. Text between packets, such as a warning of the test runner, is skipped; other bytes there are
 * damage.
 */
import { crc32 } from 'node:zlib';
import { BadPacket, decodePacket, type Packet } from './packet.ts';
import { TextScanner } from './text-scanner.ts';

export interface PacketSink {
  packet(packet: Packet): void;
  /** Reports why a part of the stream is damaged. Called at most once for each damaged part. */
  damage(why: string): void;
}

const SIGNATURE = 0xb3;
/** Signature, flags and the longest length. A packet is read only when all of these have arrived. */
const HEADER_BYTES = 6;
const CHECKSUM_BYTES = 4;

/** The size of the next packet in bytes, and how many of them come before its content. */
interface Frame {
  readonly size: number;
  readonly head: number;
}

export class SubunitParser {
  readonly #sink: PacketSink;
  readonly #text = new TextScanner();
  /** The beginning of a packet whose end is in a later chunk. */
  #held = Buffer.alloc(HEADER_BYTES);
  #heldBytes = 0;
  /** The bytes since the last packet were already reported as damage. */
  #inDamage = false;
  /** python-subunit reads nothing after this. */
  #stopped = false;

  constructor(sink: PacketSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped)
      at = this.#heldBytes > 0 ? this.#fill(chunk, at) : this.#next(chunk, at);
  }

  end(): void {
    if (this.#heldBytes > 0 && !this.#stopped) this.#sink.damage('it ends in the middle of a packet');
  }

  /** Reads the packet or the byte at `at`, and returns the position after it. */
  #next(chunk: Buffer, at: number): number {
    const byte = chunk[at] ?? 0;
    if (byte !== SIGNATURE || this.#text.midCharacter) {
      const isText = this.#text.take(byte);
      if (!isText && !this.#inDamage)
        this.#sink.damage('it contains bytes that are neither a packet nor text');
      this.#inDamage ||= !isText;
      return at + 1;
    }
    this.#inDamage = false;
    const available = chunk.length - at;
    if (available < HEADER_BYTES) return this.#hold(chunk, at, chunk.length);
    const frame = frameAt(chunk, at);
    if (frame !== null && frame.size > available) return this.#hold(chunk, at, chunk.length);
    return at + this.#read(chunk, at, frame);
  }

  /** Completes the held packet. */
  #fill(chunk: Buffer, at: number): number {
    const wanted =
      this.#heldBytes < HEADER_BYTES ? HEADER_BYTES : (frameAt(this.#held, 0)?.size ?? HEADER_BYTES);
    const to = Math.min(chunk.length, at + wanted - this.#heldBytes);
    this.#hold(chunk, at, to);
    if (this.#heldBytes < HEADER_BYTES) return to;
    const frame = frameAt(this.#held, 0);
    if (frame !== null && frame.size > this.#heldBytes) return to;
    this.#heldBytes = 0;
    this.#read(this.#held, 0, frame);
    return to;
  }

  #hold(chunk: Buffer, from: number, to: number): number {
    const wanted = this.#heldBytes + to - from;
    if (wanted > this.#held.length) {
      const larger = Buffer.alloc(Math.max(wanted, 2 * this.#held.length));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    chunk.copy(this.#held, this.#heldBytes, from, to);
    this.#heldBytes = wanted;
    return to;
  }

  /** Reads a complete packet, and returns its size. */
  #read(bytes: Buffer, at: number, frame: Frame | null): number {
    if (frame === null) {
      this.#sink.damage('a packet is too long');
      return HEADER_BYTES;
    }
    const { size, head } = frame;
    if (size < head + CHECKSUM_BYTES) {
      this.#sink.damage('a packet is too short');
      // With a length of three bytes, python-subunit has already read past the checksum.
      this.#stopped = size < HEADER_BYTES || head === HEADER_BYTES;
    } else this.#decode(bytes, at, head, size - CHECKSUM_BYTES);
    return size;
  }

  #decode(bytes: Buffer, at: number, head: number, end: number): void {
    const isIntact = crc32(bytes.subarray(at, at + end)) === bytes.readUInt32BE(at + end);
    const packet = isIntact ? this.#packetIn(bytes, at, head, end) : null;
    if (packet !== null) this.#sink.packet(packet);
    else if (!isIntact) this.#sink.damage('a packet has a wrong checksum');
  }

  #packetIn(bytes: Buffer, at: number, head: number, end: number): Packet | null {
    try {
      return decodePacket(bytes, bytes.readUInt16BE(at + 1), at + head, at + end);
    } catch (error) {
      if (!(error instanceof BadPacket)) throw error;
      this.#stopped = error.isLast;
      this.#sink.damage(error.message);
      return null;
    }
  }
}

/** Null for a length of four bytes, which the format forbids. */
function frameAt(bytes: Buffer, at: number): Frame | null {
  const first = bytes[at + 3] ?? 0;
  const [second, third] = [bytes[at + 4] ?? 0, bytes[at + 5] ?? 0];
  const high = first & 0x3f;
  switch (first >> 6) {
    case 0:
      return { size: high, head: 4 };
    case 1:
      return { size: (high << 8) | second, head: 5 };
    case 2:
      return { size: (high << 16) | (second << 8) | third, head: 6 };
    default:
      return null;
  }
}
