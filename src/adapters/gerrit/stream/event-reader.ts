/**
 * From a channel's bytes to the listener's calls, in the stream's order and with back-pressure: at most `queueLimit`
 * events wait for the store at a time, and past that the channel is not read, so that Gerrit keeps them for us. It
 * outlives a connection: what had arrived before a cut is still handed over.
 */
import type { Readable } from 'node:stream';
import { BehaviorSubject, filter, firstValueFrom, Subscription } from 'rxjs';
import type { Rejection, StreamListener } from '../../../engine/ports/event-source.ts';
import type { GerritEvent } from '../../../machines/model/gerrit-event.ts';
import { changeOfMetaRef, isMetaRefUpdate, type Line, LineSplitter } from './line-splitter.ts';
import { parseEvent, sampleOf } from './parse-event.ts';

export interface EventReaderOptions {
  readonly lineLimitBytes: number;
  /** Events that may wait for the listener at a time. */
  readonly queueLimit: number;
  /** Monotonic time. */
  readonly now: () => number;
  /** Told of every whole line as it came, also of those that are dropped; it may keep the bytes. */
  readonly keep?: (line: Buffer) => void;
}

/** The beginning of a line whose rest was lost with the connection. */
interface CutLine {
  readonly cut: Buffer;
}

/** Different names of events that are counted by themselves; a server that invents more has them counted as one. */
const NAMES_LIMIT = 200;

export class EventReader {
  readonly #listener: StreamListener;
  readonly #options: EventReaderOptions;
  readonly #splitter: LineSplitter;
  readonly #names = new Set<string>();
  /** Lines that arrived and were not handed over yet: what one chunk held, not more. */
  #lines: (Line | CutLine)[] = [];
  #next = 0;
  #waiting = 0;
  /** Too many wait: nothing is read. */
  readonly #full = new BehaviorSubject(false);
  #stopped = false;
  #source: Readable | null = null;
  /** Stops and resumes the source. */
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
      if (!this.#handOver()) this.#full.next(true);
    });
    this.#flow.unsubscribe();
    this.#flow = this.#full.subscribe((full) => (full ? source.pause() : source.resume()));
  }

  /** The connection is gone: takes what was still buffered of it. A line that was cut off is told as a rejection. */
  detach(): void {
    const source = this.#source;
    if (source === null) return;
    // Each read is also emitted as `data`, where it is taken.
    while (source.read() !== null);
    this.#source = null;
    const rest = this.#splitter.end();
    if (rest !== null) this.#lines.push({ cut: Buffer.isBuffer(rest) ? rest : rest.start });
    this.#flow.unsubscribe();
    if (!this.#handOver()) this.#full.next(true);
  }

  /** Nothing is handed over any more. */
  stop(): void {
    this.#stopped = true;
    this.#source = null;
    this.#lines = [];
    this.#next = 0;
    this.#full.complete();
  }

  /** Resolves when events can be taken. */
  async room(): Promise<void> {
    await firstValueFrom(this.#full.pipe(filter((full) => !full)), { defaultValue: false });
  }

  /** How long nothing has come; 0 while it is we who do not read. */
  silentMs(): number {
    return this.#full.value ? 0 : this.#options.now() - this.#lastByteAt;
  }

  /** The server gave a sign of life. */
  alive(): void {
    this.#lastByteAt = this.#options.now();
  }

  /** False: not all, too many wait. */
  #handOver(): boolean {
    while (this.#next < this.#lines.length) {
      if (this.#waiting >= this.#options.queueLimit) return false;
      const line = this.#lines[this.#next++];
      if (line !== undefined) this.#take(line);
    }
    this.#lines = [];
    this.#next = 0;
    return true;
  }

  #take(line: Line | CutLine): void {
    if ('cut' in line) this.#reject('cut-off', line.cut);
    else if ('start' in line) this.#reject('overlong', line.start, { unread: true });
    else if (isBlank(line)) this.#listener.dropped('blank');
    else this.#takeWhole(line);
  }

  #takeWhole(line: Buffer): void {
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
    // No catch: the listener does not reject, and where it does the process must not go on without the event.
    void this.#listener.event(this.#bounded(parsed.event)).then(() => this.#taken());
  }

  #taken(): void {
    this.#waiting--;
    if (this.#stopped || !this.#full.value || this.#waiting > this.#options.queueLimit / 2) return;
    if (!this.#handOver()) return;
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
