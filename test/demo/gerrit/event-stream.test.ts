import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { EventStream, QUEUE_LENGTH } from '../../../src/demo/gerrit/event-stream.ts';
import { type Example, exampleSite } from './example-site.ts';

describe('a stream of events', () => {
  test('writes each as one line, only of the requested types', () => {
    const { example, out } = open(new Set(['ping']));
    example.site.publish({ type: 'ping', n: 1 }, null);
    example.site.publish({ type: 'pong' }, null);
    expect(read(out)).toEqual([{ type: 'ping', n: 1 }]);
  });

  test('hides private changes from accounts that may not see them', () => {
    const { example, out } = open();
    example.change.isPrivate = true;
    example.site.publish({ type: 'secret' }, example.change);
    example.change.isPrivate = false;
    example.site.publish({ type: 'open' }, example.change);
    expect(read(out)).toEqual([{ type: 'open' }]);
  });

  test('holds 128 events for a blocked reader, then reports that some were dropped', () => {
    const { example, out, stream } = open();
    stream.hold();
    for (let n = 0; n < QUEUE_LENGTH + 3; n += 1) example.site.publish({ type: 'ping', n }, null);
    expect(read(out)).toEqual([]);
    stream.release();
    example.site.publish({ type: 'ping', n: 'later' }, null);
    const events = read(out);
    expect(events.slice(0, QUEUE_LENGTH).map((event) => event.n)).toEqual([...Array(QUEUE_LENGTH).keys()]);
    expect(events.slice(QUEUE_LENGTH)).toEqual([
      { type: 'dropped-output', eventCreatedOn: expect.any(Number) },
      { type: 'ping', n: 'later' },
    ]);
  });

  test('waits for a slow reader', async () => {
    const { example, out } = open(new Set(), 10);
    for (let n = 0; n < QUEUE_LENGTH * 2; n += 1) example.site.publish({ type: 'ping', n }, null);
    const types: unknown[] = [];
    while (types.at(-1) !== 'dropped-output') {
      const more = read(out).map((event) => event.type);
      types.push(...more);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // One event fills the pipe; the queue holds its maximum in addition.
    expect(types).toHaveLength(1 + QUEUE_LENGTH + 1);
  });

  test('writes nothing once it is closed', () => {
    const { example, out, stream } = open();
    stream.close();
    example.site.publish({ type: 'ping' }, null);
    expect(read(out)).toEqual([]);
  });
});

function open(
  types: ReadonlySet<string> = new Set(),
  highWaterMark = 1_000_000,
): { example: Example; out: PassThrough; stream: EventStream } {
  const example = exampleSite();
  const out = new PassThrough({ highWaterMark });
  return { example, out, stream: new EventStream(example.site, example.ci, types, out) };
}

function read(out: PassThrough): Record<string, unknown>[] {
  const text = (out.read() as Buffer | null)?.toString('utf8') ?? '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
