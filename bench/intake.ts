/**
 * Measures the intake of Gerrit's stream from bytes to the engine's listener: splitting, filtering, parsing and
 * validating. Its limit is splitting and JSON.parse of the same bytes. Also measures the gain from dropping meta
 * updates unparsed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { EventReader } from '../src/adapters/gerrit/stream/event-reader.ts';
import { isMetaRefUpdate, LineSplitter } from '../src/adapters/gerrit/stream/line-splitter.ts';
import { parseEvent } from '../src/adapters/gerrit/stream/parse-event.ts';
import type { StreamListener } from '../src/engine/ports/event-source.ts';
import { inTurns, median, pooled, processorTime, type Result, ratioOf } from './measure.ts';

const SAMPLES = ['gerrit-3.9.1-stream.jsonl', 'gerrit-3.12.0-stream.jsonl'];
/** The size of the pieces that an SSH channel delivers. */
const CHUNK_BYTES = 32_768;
const LINE_LIMIT = 8_000_000;

export async function intake(smoke: boolean): Promise<readonly Result[]> {
  const text = SAMPLES.map((name) => readFileSync(join('test', 'samples', name), 'utf8')).join('');
  const bytes = Buffer.from(text.repeat(smoke ? 3 : 60));
  const lines = text.split('\n').filter((line) => line !== '');
  const meta = lines.filter((line) => isMetaRefUpdate(Buffer.from(line))).length;
  const all = (lines.length * bytes.length) / Buffer.byteLength(text);
  const measured = await inTurns(smoke ? 2 : 25, {
    bare: () => processorTime(() => expectCount(readThrough(bytes, bareParser), all)),
    unfiltered: () => processorTime(() => expectCount(readThrough(bytes, unfiltered), all)),
    product: () => processorTime(() => expectCount(readThrough(bytes, wholeIntake), all)),
  });
  const rate = (side: string) =>
    `${Math.round(all / median(pooled(measured, side)))},000 events/s of CPU time`;
  const share = `${meta} of ${lines.length} lines are meta updates`;
  return [
    {
      benchmark: 'intake',
      what: 'stream to listener, events per second',
      against: 'split on bytes + JSON.parse',
      ...ratioOf(measured, 'bare', 'product'),
      note: `${rate('product')} and ${rate('bare')}; ${share}`,
    },
    {
      benchmark: 'intake',
      what: 'the same without dropping meta updates first',
      against: 'split on bytes + JSON.parse',
      ...ratioOf(measured, 'bare', 'unfiltered'),
      note: rate('unfiltered'),
    },
  ];
}

/** Feeds the bytes in chunks to `read`, which calls `done` for each line. Resolves with the number of lines. */
async function readThrough(
  bytes: Buffer,
  read: (source: Readable, done: () => void) => void,
): Promise<number> {
  let count = 0;
  const source = new Readable({ read() {} });
  read(source, () => {
    count += 1;
  });
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES)
    source.push(bytes.subarray(from, from + CHUNK_BYTES));
  source.push(null);
  await new Promise((resolve) => source.once('end', resolve));
  return count;
}

function wholeIntake(source: Readable, done: () => void): void {
  const listener: StreamListener = {
    event: async () => done(),
    rejected: done,
    dropped: done,
    touched: () => {},
    state: () => {},
    silent: () => {},
  };
  const options = { lineLimitBytes: LINE_LIMIT, queueLimit: 1_000, now: () => performance.now() };
  new EventReader(listener, options).attach(source);
}

function unfiltered(source: Readable, done: () => void): void {
  const splitter = new LineSplitter(LINE_LIMIT);
  source.on('data', (chunk: Buffer) => {
    for (const line of splitter.push(chunk)) {
      if (Buffer.isBuffer(line)) parseEvent(line);
      done();
    }
  });
}

/** The minimum work: find the lines and parse the JSON. */
function bareParser(source: Readable, done: () => void): void {
  let rest: Buffer = Buffer.alloc(0);
  source.on('data', (chunk: Buffer) => {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let at = all.indexOf(0x0a); at >= 0; at = all.indexOf(0x0a, from)) {
      JSON.parse(all.toString('utf8', from, at));
      from = at + 1;
      done();
    }
    rest = all.subarray(from);
  });
}

async function expectCount(counting: Promise<number>, expected: number): Promise<void> {
  const count = await counting;
  if (count !== expected) throw new Error(`read ${count} lines instead of ${expected}`);
}
