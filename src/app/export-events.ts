/**
 * Reads archived Gerrit events. A composition root: combines the archive's files with the line splitter. Works beside a
 * running daemon, whose newest line may be incomplete.
 */
import { createReadStream } from 'node:fs';
import { segmentFiles } from '../adapters/event-archive/files.ts';
import { type Line, LineSplitter } from '../adapters/gerrit/stream/line-splitter.ts';

export interface EventFilter {
  /** Epoch ms; `since` is inclusive, `until` exclusive. */
  readonly since: number | null;
  readonly until: number | null;
  readonly type: string | null;
  readonly change: number | null;
}

export interface ArchivedEvent {
  /** The raw line. */
  readonly text: string;
  /** Null: the line is not a JSON object. */
  readonly event: Readonly<Record<string, unknown>> | null;
  /** By Gerrit's clock, epoch ms; for a line without a time, that of the previous line. */
  readonly at: number | null;
  readonly type: string | null;
  readonly change: number | null;
}

/** Oldest first. A line that is not an event has the time of the line before it, and matches no type and no change. */
export async function* archivedEvents(
  dir: string,
  filter: EventFilter,
  lineLimitBytes: number,
): AsyncIterable<ArchivedEvent> {
  let previousAt: number | null = null;
  for (const file of await segmentFiles(dir)) {
    for await (const line of linesOf(file, lineLimitBytes)) {
      const event = parseLine(line, previousAt);
      previousAt = event.at;
      if (matches(event, filter)) yield event;
    }
  }
}

/** A file that was removed meanwhile has no lines. */
async function* linesOf(file: string, lineLimitBytes: number): AsyncIterable<Buffer> {
  const splitter = new LineSplitter(lineLimitBytes);
  try {
    for await (const chunk of createReadStream(file))
      for (const line of splitter.push(chunk)) yield bytesOf(line);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
  }
  const torn = splitter.end();
  if (torn !== null) yield bytesOf(torn);
}

function bytesOf(line: Line): Buffer {
  return Buffer.isBuffer(line) ? line : line.start;
}

function parseLine(line: Buffer, previousAt: number | null): ArchivedEvent {
  const text = line.toString('utf8');
  const event = objectIn(text);
  if (event === null) return { text, event, at: previousAt, type: null, change: null };
  const seconds = Number(event.eventCreatedOn);
  const change = Number((event.change as { readonly number?: unknown } | null | undefined)?.number);
  return {
    text,
    event,
    at: seconds > 0 ? seconds * 1_000 : previousAt,
    type: typeof event.type === 'string' ? event.type : null,
    change: Number.isSafeInteger(change) ? change : null,
  };
}

function objectIn(text: string): ArchivedEvent['event'] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function matches({ at, type, change }: ArchivedEvent, filter: EventFilter): boolean {
  if (filter.since !== null && at !== null && at < filter.since) return false;
  if (filter.until !== null && at !== null && at >= filter.until) return false;
  if (filter.type !== null && type !== filter.type) return false;
  return filter.change === null || change === filter.change;
}
