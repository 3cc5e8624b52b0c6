/**
 * Reads a subunit v2 file, plain or gzip: a summary of its tests, and the tests with their attachments, which are
 * tracebacks and logs of failed tests and reasons for skips. Memory is bounded for any content: only the end of a long
 * attachment is kept.
 */
import type { ResultsRead, TestRecord, TestReport } from '../../../engine/ports/adapters.ts';
import type { TestResult } from '../../../machines/model/test-result.ts';
import type { Packet, Timestamp } from './packet.ts';
import type { PacketSink } from './parser.ts';
import { readPackets } from './read-packets.ts';
import { OUTCOME_OF, SUBUNIT_LIMITS, type SubunitLimits, TEMPEST_SUFFIX, Tests } from './subunit.ts';

/** A traceback is a few kilobytes. A test of Tempest logs up to 300 KB, of which the end shows why it failed. */
const MAX_ATTACHMENT_BYTES = 128 * 1024;
/** The limit for all attachments in memory. */
const MAX_HELD_BYTES = 32 * 1024 ** 2;
/** The limit for one test. Tempest writes one to four. */
const MAX_ATTACHMENTS = 20;
/** The limit for tests that are kept with their attachments: those that are running or did not pass. */
const MAX_KEPT_TESTS = 10_000;
/** The limit for the error of one test. It may contain the body of a response. */
const MAX_ERROR = 1_000;

/** A frame of a Python traceback. */
const FRAME = /^ {2}File "/;

interface Attachment {
  readonly name: string;
  chunks: Buffer[];
  bytes: number;
  isCut: boolean;
}

interface Running {
  readonly startedMs: number | null;
  readonly attachments: Map<string, Attachment>;
}

/** Rejects with errors of the stream; any invalid content results in `unreadable`. */
export async function readSubunit(
  chunks: AsyncIterable<Uint8Array>,
  limits: SubunitLimits = SUBUNIT_LIMITS,
): Promise<ResultsRead> {
  const collector = new Collector(limits);
  await readPackets(chunks, limits.bytes, collector);
  const { tests, problem } = collector.end();
  return { ...collector.summary, tests: { tests: tests.map(resultOf), problem } };
}

/** Rejects with errors of the stream. */
export async function reportSubunit(chunks: AsyncIterable<Uint8Array>): Promise<TestReport> {
  const collector = new Collector(SUBUNIT_LIMITS);
  await readPackets(chunks, SUBUNIT_LIMITS.bytes, collector);
  return collector.end();
}

class Collector implements PacketSink {
  readonly #tests: Tests;
  readonly #running = new Map<string, Running>();
  /** The tests that did not pass. */
  readonly #kept = new Map<string, Running>();
  readonly #durations = new Map<string, number>();
  #heldBytes = 0;

  constructor(limits: SubunitLimits) {
    this.#tests = new Tests(limits);
  }

  get summary(): ReturnType<Tests['end']> {
    return this.#tests.end();
  }

  packet(packet: Packet): void {
    this.#tests.packet(packet);
    const { testId, status } = packet;
    if (testId === null || status === 'exists') return;
    const running = this.#runningOf(testId, packet.timestamp);
    if (running !== null && packet.fileName !== null) this.#attach(running, packet.fileName, packet);
    const outcome = status === null ? undefined : OUTCOME_OF[status];
    if (outcome === undefined) return;
    this.#running.delete(testId);
    const ended = milliseconds(packet.timestamp);
    const started = running?.startedMs ?? null;
    if (ended !== null && started !== null && this.#tests.outcomes.has(testId))
      this.#durations.set(testId, Math.max(0, ended - started));
    const isWorst = this.#tests.outcomes.get(testId) === outcome;
    if (running === null) return;
    if (outcome === 'passed' || !isWorst) {
      this.#drop(running);
      return;
    }
    const previous = this.#kept.get(testId);
    if (previous !== undefined) this.#drop(previous);
    this.#kept.set(testId, running);
  }

  damage(why: string): void {
    this.#tests.damage(why);
  }

  end(): TestReport {
    const tests: TestRecord[] = [];
    for (const [id, outcome] of this.#tests.outcomes) {
      const attachments = this.#kept.get(id)?.attachments.values() ?? [];
      const details = [...attachments].map((attachment) => detailOf(attachment));
      tests.push({ id, outcome, durationMs: this.#durations.get(id) ?? null, details });
    }
    return { tests, problem: this.#tests.problem };
  }

  #runningOf(testId: string, timestamp: Timestamp | null): Running | null {
    const known = this.#running.get(testId);
    if (known !== undefined) return known;
    if (this.#running.size + this.#kept.size >= MAX_KEPT_TESTS) return null;
    const running: Running = { startedMs: milliseconds(timestamp), attachments: new Map() };
    this.#running.set(testId, running);
    return running;
  }

  #attach({ attachments }: Running, name: string, { content, mimeType }: Packet): void {
    if (mimeType !== null && !mimeType.startsWith('text/')) return;
    let attachment = attachments.get(name);
    if (attachment === undefined) {
      if (attachments.size >= MAX_ATTACHMENTS || name.length > 1_000) return;
      attachment = { name, chunks: [], bytes: 0, isCut: false };
      attachments.set(name, attachment);
    }
    const part = content.subarray(-MAX_ATTACHMENT_BYTES);
    attachment.isCut ||= part.length < content.length;
    if (this.#heldBytes + part.length > MAX_HELD_BYTES) {
      this.#empty(attachment);
      return;
    }
    attachment.chunks.push(Buffer.from(part));
    attachment.bytes += part.length;
    this.#heldBytes += part.length;
    // Truncated once it is twice the limit, so that many small parts cost little.
    if (attachment.bytes > 2 * MAX_ATTACHMENT_BYTES || attachment.chunks.length > 1_000)
      this.#shorten(attachment);
  }

  #shorten(attachment: Attachment): void {
    const end = Buffer.from(Buffer.concat(attachment.chunks).subarray(-MAX_ATTACHMENT_BYTES));
    attachment.isCut ||= end.length < attachment.bytes;
    this.#heldBytes -= attachment.bytes - end.length;
    attachment.chunks = [end];
    attachment.bytes = end.length;
  }

  /** What follows a part that was not kept is the end. */
  #empty(attachment: Attachment): void {
    attachment.isCut = true;
    this.#heldBytes -= attachment.bytes;
    attachment.chunks = [];
    attachment.bytes = 0;
  }

  #drop({ attachments }: Running): void {
    for (const { bytes } of attachments.values()) this.#heldBytes -= bytes;
  }
}

/** The suffix is left out: its attributes may change, and the test is still the same. */
function resultOf({ id, outcome, durationMs, details }: TestRecord): TestResult {
  const name = id.replace(TEMPEST_SUFFIX, '');
  return { id: name, outcome, durationMs, error: outcome === 'failed' ? failureLine(details) : null };
}

/**
 * The exception with its message, on one line: what follows the last frame of the first traceback, because the others
 * are those of cleanups. Without a traceback, the last line of the first attachment. Null: there is none.
 */
function failureLine(details: TestRecord['details']): string | null {
  const traceback = details.find(({ name }) => /^traceback(-\d+)?$/.test(name)) ?? details[0];
  if (traceback === undefined) return null;
  const lines = traceback.text.split('\n').map((line) => line.trimEnd());
  const last = lines.findLastIndex((line) => FRAME.test(line));
  const message = last < 0 ? -1 : lines.findIndex((line, index) => index > last && /^\S/.test(line));
  const found = message < 0 ? lines.filter((line) => line !== '').slice(-1) : lines.slice(message);
  const text = found.join(' ').replaceAll(/\s+/g, ' ').trim();
  return text === '' ? null : text.slice(0, MAX_ERROR);
}

/** Drops an incomplete first line, because a part of a secret would not be recognized. */
function detailOf({ name, chunks, bytes, isCut: isShort }: Attachment): TestRecord['details'][number] {
  const end = Buffer.concat(chunks).subarray(-MAX_ATTACHMENT_BYTES).toString('utf8');
  const isCut = isShort || bytes > MAX_ATTACHMENT_BYTES;
  return { name, text: isCut ? end.replace(/^[^\n]*\n?/, '') : end, isCut };
}

function milliseconds(timestamp: Timestamp | null): number | null {
  return timestamp === null ? null : timestamp.seconds * 1_000 + timestamp.nanoseconds / 1e6;
}
