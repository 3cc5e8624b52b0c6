/**
 * Passes events from a channel to the listener, in stream order and with back-pressure: when `queueLimit` events wait
 * for the store, the channel is not read and Gerrit buffers. The reader outlives a connection: lines that arrived
 * before a disconnect are still delivered.
 */
import type { Readable } from 'node:stream';
import { BehaviorSubject, filter, firstValueFrom, Subscription } from 'rxjs';
import type { Rejection, StreamListener } from '../../../engine/ports/event-source.ts';
import type { GerritEvent } from '../../../machines/model/gerrit-event.ts';
import { changeOfMetaRef, isMetaRefUpdate, type Line, LineSplitter } from './line-splitter.ts';
import { parseEvent, sampleOf } from './parse-event.ts';

export interface EventReaderOptions {
  readonly lineLimitBytes: number;
  /** Maximum number of events waiting for the listener. */
  readonly queueLimit: number;
  /** Monotonic time. */
  readonly now: () => number;
  /** Called with every complete line as received, except blank and overlong ones. It may keep the bytes. */
  readonly keep?: (line: Buffer) => void;
}

/** The beginning of a line that was cut off at the end of the connection. */
interface CutLine {
  readonly cut: Buffer;
}

/** Event names counted separately. Further names share one counter, so that a server cannot grow it without bound. */
const NAMES_LIMIT = 200;

export class EventReader {
  readonly #listener: StreamListener;
  readonly #options: EventReaderOptions;
  readonly #splitter: LineSplitter;
  readonly #names = new Set<string>();
  /** Lines received but not delivered yet; at most one chunk's worth. */
  #lines: (Line | CutLine)[] = [];
  #next = 0;
  #waiting = 0;
  /** True while the queue is full and nothing is read. */
  readonly #full = new BehaviorSubject(false);
  #stopped = false;
  #source: Readable | null = null;
  /** Pauses and resumes the source. */
  #flow = Subscription.EMPTY;
  #lastByteAt: number;

  constructor(listener: StreamListener, options: EventReaderOptions) {
    this.#listener = listener;
    this.#options = options;
    this.#splitter = new LineSplitter(options.lineLimitBytes);
    this.#lastByteAt = options.now();
  }

  /** Reads from `source` until `detach`. */
  attach(source: Readable): void {
    this.#source = source;
    this.alive();
    source.on('data', (chunk: Buffer) => {
      if (this.#source !== source) return;
      this.alive();
      for (const line of this.#splitter.push(chunk)) this.#lines.push(line);
      if (!this.#deliver()) this.#full.next(true);
    });
    this.#flow.unsubscribe();
    this.#flow = this.#full.subscribe((full) => (full ? source.pause() : source.resume()));
  }

  /**
   * Handles the end of the connection: reads what is still buffered. A line that was cut off is reported as a
   * rejection.
   */
  detach(): void {
    const source = this.#source;
    if (source === null) return;
    // Each read also emits `data`, whose handler receives the bytes.
    while (source.read() !== null);
    this.#source = null;
    const rest = this.#splitter.end();
    if (rest !== null) this.#lines.push({ cut: Buffer.isBuffer(rest) ? rest : rest.start });
    this.#flow.unsubscribe();
    if (!this.#deliver()) this.#full.next(true);
  }

  /** Stops all delivery. */
  stop(): void {
    this.#stopped = true;
    this.#source = null;
    this.#lines = [];
    this.#next = 0;
    this.#full.complete();
  }

  /** Resolves when the queue accepts events. */
  async waitForSpace(): Promise<void> {
    await firstValueFrom(this.#full.pipe(filter((full) => !full)), { defaultValue: false });
  }

  /** How long nothing has arrived; 0 while back-pressure stops us from reading. */
  silentMs(): number {
    return this.#full.value ? 0 : this.#options.now() - this.#lastByteAt;
  }

  /** Records that the server has responded. */
  alive(): void {
    this.#lastByteAt = this.#options.now();
  }

  /** Delivers lines. Returns false when the queue filled up before all were delivered. */
  #deliver(): boolean {
    while (this.#next < this.#lines.length) {
      if (this.#waiting >= this.#options.queueLimit) return false;
      const line = this.#lines[this.#next++];
      if (line !== undefined) this.#process(line);
    }
    this.#lines = [];
    this.#next = 0;
    return true;
  }

  #process(line: Line | CutLine): void {
    if ('cut' in line) this.#reject('cut-off', line.cut);
    else if ('start' in line) this.#reject('overlong', line.start, { unread: true });
    else if (isBlank(line)) this.#listener.dropped('blank');
    else this.#processComplete(line);
  }

  #processComplete(line: Buffer): void {
    this.#options.keep?.(line);
    if (!isMetaRefUpdate(line)) {
      this.#parse(line);
      return;
    }
    this.#listener.dropped('meta-ref-updated');
    const change = changeOfMetaRef(line);
    if (change !== null) this.#listener.touched(change);
  }

  #parse(line: Buffer): void {
    const parsed = parseEvent(line);
    if ('rejected' in parsed) {
      this.#listener.rejected(parsed.rejected);
      return;
    }
    this.#waiting++;
    // No catch: the listener does not reject. If it does, the process must not continue without the event.
    void this.#listener.event(this.#bounded(parsed.event)).then(() => this.#onStored());
  }

  #onStored(): void {
    this.#waiting--;
    if (this.#stopped || !this.#full.value || this.#waiting > this.#options.queueLimit / 2) return;
    if (!this.#deliver()) return;
    this.alive();
    this.#full.next(false);
  }

  #reject(reason: string, start: Buffer, more: Pick<Rejection, 'unread'> = {}): void {
    const sample = sampleOf(start.subarray(0, 1_024).toString('utf8'));
    this.#listener.rejected({ reason, sample, ...more });
  }

  #bounded(event: GerritEvent): GerritEvent {
    if (event.type !== 'other' || this.#names.has(event.name)) return event;
    if (this.#names.size >= NAMES_LIMIT) return { type: 'other', name: 'too-many-names' };
    this.#names.add(event.name);
    return event;
  }
}

function isBlank(line: Buffer): boolean {
  return line.length === 0 || (line.length < 8 && line.toString('latin1').trim() === '');
}
