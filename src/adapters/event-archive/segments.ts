/**
 * Archives Gerrit's events as received, in files that are rotated by size and age. Never blocks the event intake: lines
 * wait in memory up to a limit. Lines over the limit and failed writes are counted and dropped. No failure here stops
 * the daemon.
 */
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { SegmentsConfig } from '../../config/config.ts';
import type { Clock } from '../../engine/ports/adapters.ts';
import { errorText } from '../../errors.ts';
import { removeOld, segmentName } from './files.ts';

export type SegmentOptions = Omit<SegmentsConfig, 'keep'>;

interface Segment {
  readonly handle: FileHandle;
  readonly startedAt: number;
  bytes: number;
}

const NEWLINE = Buffer.from('\n');

export class EventSegments {
  readonly #options: SegmentOptions;
  readonly #clock: Clock;
  readonly #onLost: (lines: number) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #segment: Segment | null = null;
  #writing: Promise<void> | null = null;
  /** The last write error; null after a successful write. */
  #writeError: string | null = null;
  #cancelRetry: (() => void) | null = null;
  #closed = false;
  #lost = 0;
  #lostReported = 0;

  /** @param onLost called with the number of dropped lines */
  constructor(options: SegmentOptions, clock: Clock, onLost: (lines: number) => void) {
    this.#options = options;
    this.#clock = clock;
    this.#onLost = onLost;
  }

  /** Never waits or throws. The caller must not modify the bytes afterwards. */
  keep(line: Uint8Array): void {
    if (this.#closed) return;
    if (this.#waitingBytes + line.length + 1 > this.#options.bufferBytes) {
      this.#lose(1);
      return;
    }
    this.#waiting.push(line, NEWLINE);
    this.#waitingBytes += line.length + 1;
    if (this.#cancelRetry === null) this.#writing ??= this.#write();
  }

  /** Why events are not archived, or were dropped since the last call; null when all were archived. */
  problem(): string | null {
    const lost = this.#lost - this.#lostReported;
    this.#lostReported = this.#lost;
    if (this.#writeError !== null) return `${this.#writeError}; ${this.#lost} lost since the start`;
    return lost === 0 ? null : `the disk is too slow: ${lost} lost`;
  }

  /** Writes the waiting lines as far as the disk accepts them. Later lines are ignored. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    await (this.#writing ?? this.#write());
    await this.#end();
  }

  async #write(): Promise<void> {
    // Collects all lines of a stream chunk into one write.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const taken = this.#waiting;
      const bytes = this.#waitingBytes;
      this.#waiting = [];
      try {
        await this.#append(Buffer.concat(taken, bytes));
        this.#waitingBytes -= bytes;
        this.#writeError = null;
      } catch (thrown) {
        this.#waitingBytes -= bytes;
        await this.#fail(thrown, taken.length / 2);
        break;
      }
    }
    this.#writing = null;
  }

  async #append(bytes: Buffer): Promise<void> {
    const { segmentBytes, segmentAgeMs } = this.#options;
    const full = (segment: Segment): boolean =>
      segment.bytes + bytes.length > segmentBytes || this.#clock.now() - segment.startedAt > segmentAgeMs;
    if (this.#segment !== null && full(this.#segment)) await this.#end();
    this.#segment ??= await this.#begin();
    await this.#segment.handle.appendFile(bytes);
    this.#segment.bytes += bytes.length;
  }

  async #begin(): Promise<Segment> {
    const { dir, maxAgeMs, maxBytes, segmentBytes } = this.#options;
    const now = this.#clock.now();
    await mkdir(dir, { recursive: true, mode: 0o700 });
    // Leaves space for the new file.
    await removeOld(dir, { maxAgeMs, maxBytes: Math.max(0, maxBytes - segmentBytes) }, now);
    const handle = await open(join(dir, segmentName(now)), 'a', 0o600);
    const { size } = await handle.stat();
    // The file existed already, with the same start time, and its last line may be incomplete.
    if (size > 0) await handle.appendFile(NEWLINE);
    return { handle, startedAt: now, bytes: size };
  }

  /** The next write starts a new file, since this one may end in the middle of a line. */
  async #fail(thrown: unknown, lines: number): Promise<void> {
    this.#writeError = errorText(thrown);
    this.#lose(lines);
    await this.#end();
    if (this.#closed) return;
    this.#cancelRetry = this.#clock.after(this.#options.retryMs, () => {
      this.#cancelRetry = null;
      if (this.#waiting.length > 0) this.#writing ??= this.#write();
    });
  }

  async #end(): Promise<void> {
    const segment = this.#segment;
    this.#segment = null;
    // The data is already written, so a failed close loses nothing.
    await segment?.handle.close().catch(() => undefined);
  }

  #lose(lines: number): void {
    this.#lost += lines;
    this.#onLost(lines);
  }
}
