/** Generates subunit v2 streams from a seed, including unusual ones, and damages them. */
import { crc32 } from 'node:zlib';
import { STATUSES } from '../../../../src/adapters/results/subunit/packet.ts';

export interface PacketParts {
  readonly status?: (typeof STATUSES)[number];
  readonly testId?: string | Buffer;
  readonly tags?: readonly string[];
  readonly runnable?: boolean;
  readonly fileName?: string;
  readonly content?: Buffer;
  readonly mimeType?: string;
  readonly eof?: boolean;
  readonly routeCode?: string;
  readonly seconds?: number;
  readonly nanoseconds?: number;
  /** Bits of the flags that readers ignore. */
  readonly otherFlags?: number;
  /** Lengths and counts take up to this many bytes more than they need. */
  readonly wider?: number;
  readonly trailing?: Buffer;
}

export function encodePacket(parts: PacketParts): Buffer {
  const { testId, tags, mimeType, fileName, routeCode, seconds, wider = 0 } = parts;
  const text = (value: string | Buffer) =>
    Buffer.concat([varint(Buffer.byteLength(value), wider), Buffer.from(value)]);
  const stamp = Buffer.alloc(4);
  stamp.writeUInt32BE(seconds ?? 0);
  const content = parts.content ?? Buffer.alloc(0);
  const body = Buffer.concat([
    ...(seconds === undefined ? [] : [stamp, varint(parts.nanoseconds ?? 0, wider)]),
    ...(testId === undefined ? [] : [text(testId)]),
    ...(tags === undefined ? [] : [varint(tags.length, wider), ...tags.map(text)]),
    ...(mimeType === undefined ? [] : [text(mimeType)]),
    ...(fileName === undefined ? [] : [text(fileName), varint(content.length, wider), content]),
    ...(routeCode === undefined ? [] : [text(routeCode)]),
    parts.trailing ?? Buffer.alloc(0),
  ]);
  return seal(flagsOf(parts), body, wider);
}

/** A packet around any body, with the right length and checksum. */
export function seal(flags: number, body: Buffer, wider = 0): Buffer {
  const fixed = 1 + 2 + body.length + 4;
  const width = [1, 2, 3].find((bytes) => fixed + bytes < 2 ** (8 * bytes - 2)) ?? 3;
  const length = Math.min(3, width + wider);
  const head = Buffer.from([0xb3, flags >> 8, flags & 0xff]);
  const whole = Buffer.concat([head, varintOf(fixed + length, length), body]);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(whole));
  return Buffer.concat([whole, sum]);
}

function flagsOf(parts: PacketParts): number {
  const bit = (flag: number, value: unknown) => (value === undefined || value === false ? 0 : flag);
  return (
    (parts.otherFlags ?? 0x2000) |
    bit(0x0800, parts.testId) |
    bit(0x0400, parts.routeCode) |
    bit(0x0200, parts.seconds) |
    bit(0x0100, parts.runnable) |
    bit(0x0080, parts.tags) |
    bit(0x0040, parts.fileName) |
    bit(0x0020, parts.mimeType) |
    bit(0x0010, parts.eof) |
    STATUSES.indexOf(parts.status ?? null)
  );
}

function varint(value: number, wider: number): Buffer {
  const width = [1, 2, 3].find((bytes) => value < 2 ** (8 * bytes - 2)) ?? 4;
  return varintOf(value, Math.min(4, width + wider));
}

/** Encodes the value in exactly this many bytes. */
function varintOf(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  const out = Buffer.from(buffer.subarray(4 - bytes));
  out[0] = (out[0] ?? 0) | ((bytes - 1) << 6);
  return out;
}

/** Random numbers that depend only on the seed (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An integer in [0, below). */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  oneOf<T>(values: readonly [T, ...T[]]): T {
    return values[this.below(values.length)] ?? values[0];
  }

  maybe<T>(make: () => T): T | undefined {
    return this.below(2) === 0 ? undefined : make();
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

const TEXTS = [
  '',
  'a',
  'tempest.api.volume.Test.test_it[id-1,smoke]',
  'гг³³',
  '\ufffd',
  '\ufeffmark',
  '😀',
  'x'.repeat(70),
] as const;
const SIZES = [0, 1, 53, 63, 64, 300, 16_373, 16_384, 70_000] as const;

/** Packets, text between them, and packets within packets. */
export function randomStream(random: SeededRandom): Buffer {
  const pieces = Array.from({ length: 1 + random.below(12) }, () => randomPiece(random));
  return Buffer.concat(pieces);
}

function randomPiece(random: SeededRandom): Buffer {
  if (random.below(10) === 0)
    return Buffer.from(random.oneOf(['a warning\n', 'текст с г и ³\n', '\x1b[1mbold\x1b[0m']));
  return encodePacket(randomPacket(random));
}

function randomPacket(random: SeededRandom): PacketParts {
  const text = () => random.oneOf(TEXTS) + random.below(5);
  // Large ones are rare, so that the tests are fast enough.
  const size = () => (random.below(20) === 0 ? random.oneOf(SIZES) : random.below(200));
  const parts = {
    status: random.oneOf(STATUSES),
    testId: random.maybe(text),
    tags: random.maybe(() => Array.from({ length: random.below(4) }, text)),
    runnable: random.below(2) === 0,
    fileName: random.maybe(text),
    content: random.below(5) === 0 ? encodePacket({ status: 'fail', testId: 'inner' }) : random.bytes(size()),
    mimeType: random.maybe(text),
    eof: random.below(2) === 0,
    routeCode: random.maybe(text),
    seconds: random.maybe(() => random.below(2 ** 32)),
    nanoseconds: random.below(2 ** 20) * 1000,
    otherFlags: random.oneOf([0x2000, 0x2000, 0x2008, 0x1000]),
    wider: random.oneOf([0, 0, 0, 1, 2]),
    trailing: random.below(10) === 0 ? random.bytes(3) : Buffer.alloc(0),
  };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
}

/**
 * Damages the stream one to three times: changes, removes, repeats, inserts or cuts off bytes, or adds a random
 * packet.
 */
export function damaged(stream: Buffer, random: SeededRandom): Buffer {
  let bytes = stream;
  for (let count = 1 + random.below(3); count > 0; count -= 1) bytes = damagedOnce(bytes, random);
  return bytes;
}

function damagedOnce(bytes: Buffer, random: SeededRandom): Buffer {
  const at = random.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + random.below(9));
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (random.below(6)) {
    case 0:
      return Buffer.from(bytes.map((byte, index) => (index === at ? byte ^ (1 << random.below(8)) : byte)));
    case 1:
      return Buffer.concat([before, bytes.subarray(to)]);
    case 2:
      return Buffer.concat([before, bytes.subarray(at, to), after]);
    case 3:
      return Buffer.concat([before, random.bytes(random.below(9)), after]);
    case 4:
      return Buffer.from(before);
    default:
      return Buffer.concat([before, seal(random.below(2 ** 16), random.bytes(random.below(20))), after]);
  }
}
