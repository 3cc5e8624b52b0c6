import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { EventReader } from '../../../../src/adapters/gerrit/stream/event-reader.ts';
import { RecordingListener } from '../../../fakes/stream-listener.ts';

const other = (name: string) => `${JSON.stringify({ type: name })}\n`;
const meta =
  '{"refUpdate":{"refName":"refs/changes/01/1/meta","project":"p"},"type":"ref-updated","eventCreatedOn":1}\n';

function make(queueLimit = 100, lineLimitBytes = 1_000) {
  const kept: string[] = [];
  const keep = (line: Buffer) => void kept.push(line.toString());
  const listener = new RecordingListener();
  let now = 0;
  const reader = new EventReader(listener, { lineLimitBytes, queueLimit, keep, now: () => now });
  const source = new PassThrough();
  reader.attach(source);
  const names = () => listener.events.map((event) => (event.type === 'other' ? event.name : event.type));
  const say = (text: string): Promise<void> =>
    new Promise((resolve) => source.write(text, () => setImmediate(resolve)));
  return { kept, listener, reader, source, names, say, tick: (ms: number) => (now += ms) };
}

describe('the event reader', () => {
  test('counts each line once: event, rejected or dropped', async () => {
    const { listener, names, say } = make(100, 50);
    await say(`${other('one')}nonsense\n\n${meta}${other('x'.repeat(100))}`);
    expect(names()).toEqual(['one']);
    expect(listener.rejections).toEqual([
      { reason: 'not-json', sample: 'nonsense' },
      { reason: 'overlong', sample: meta.trim(), unread: true },
      { reason: 'overlong', sample: other('x'.repeat(100)).trim(), unread: true },
    ]);
    expect(listener.drops).toEqual(['blank']);
  });

  test('keeps each complete line as it came, including rejected and dropped ones', async () => {
    const { kept, reader, say } = make(100, 150);
    await say(`${other('one')}nonsense\r\n\n${meta}${other('x'.repeat(200))}{"torn`);
    reader.detach();
    expect(kept).toEqual([other('one').trim(), 'nonsense\r', meta.trim()]);
  });

  test('drops meta updates before parsing', async () => {
    const { listener, say } = make();
    await say(meta);
    expect(listener.drops).toEqual(['meta-ref-updated']);
    expect(listener.events).toEqual([]);
  });

  test('stops reading at its limit, resumes at half of it, in order', async () => {
    const { listener, reader, source, names, say } = make(4);
    listener.holdEvents();
    const all = Array.from({ length: 20 }, (_, index) => `e${index}`);
    await say(all.slice(0, 10).map(other).join(''));
    expect(listener.held).toBe(4);
    expect(source.isPaused()).toBe(true);
    const waitForSpace = reader.waitForSpace();
    source.write(all.slice(10).map(other).join(''));
    listener.releaseEvents();
    await waitForSpace;
    await listener.until(() => listener.events.length === 20);
    expect(names()).toEqual(all);
    expect(listener.maxHeld).toBe(4);
    expect(source.isPaused()).toBe(false);
  });

  test('does not count as silent while back-pressure stops it', async () => {
    const { listener, reader, say, tick } = make(1);
    tick(50);
    expect(reader.silentMs()).toBe(50);
    listener.holdEvents();
    await say(other('a') + other('b'));
    tick(50);
    expect(reader.silentMs()).toBe(0);
    listener.releaseEvents();
    await listener.until(() => listener.events.length === 2);
    await reader.waitForSpace();
    tick(7);
    expect(reader.silentMs()).toBe(7);
  });

  test('reads what a lost connection had buffered, and reports a truncated line', async () => {
    const { listener, reader, source, names, say } = make(1);
    listener.holdEvents();
    await say(other('a') + other('b'));
    source.write(`${other('c')}{"type":"patch`);
    reader.detach();
    listener.releaseEvents();
    await listener.until(() => listener.rejections.length === 1);
    expect(names()).toEqual(['a', 'b', 'c']);
    expect(listener.rejections).toEqual([{ reason: 'cut-off', sample: '{"type":"patch' }]);
  });

  test('does not join a line of the next connection to the last one', async () => {
    const { reader, names, say, listener } = make();
    await say('{"type":"patch');
    reader.detach();
    const next = new PassThrough();
    reader.attach(next);
    next.write(other('whole'));
    await listener.until(() => listener.events.length === 1);
    expect(names()).toEqual(['whole']);
  });

  test('delivers nothing once it is stopped', async () => {
    const { listener, reader, source, say } = make(1);
    listener.holdEvents();
    await say(other('a') + other('b'));
    reader.stop();
    listener.releaseEvents();
    source.write(other('c'));
    await reader.waitForSpace();
    await new Promise((resolve) => setImmediate(resolve));
    expect(listener.events).toHaveLength(1);
  });

  test('counts invented event names under one name', async () => {
    const { names, say } = make(1_000);
    await say(Array.from({ length: 300 }, (_, index) => other(`name-${index}`)).join(''));
    expect(new Set(names()).size).toBe(201);
    expect(names().at(-1)).toBe('too-many-names');
  });
});
