/** Our reader of subunit v2 compared with python-subunit, on real, generated and damaged streams. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { LONG, runs } from '../../../fixtures/effort.ts';
import { needs } from '../../../fixtures/needs.ts';
import { askOracle, type Event, readStream } from './reading.ts';
import { damaged, encodePacket, randomStream, SeededRandom, seal } from './streams.ts';

const STREAMS = runs(10_000);
const SAMPLES = [
  'tempest-pass.subunit',
  'tempest-fail.subunit',
  'tempest-live.subunit',
  'devstack-broken.subunit.gz',
];

const samples = SAMPLES.map((name) => {
  const bytes = readFileSync(join('test/samples', name));
  return name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
});
const generated = Array.from({ length: STREAMS }, (_, seed) => randomStream(new SeededRandom(seed)));

/** Excludes the events of python-subunit for text between packets and for unreadable packets. */
const isPacket = (event: Event) => event.fileName !== 'text' && event.testId !== 'subunit.parser';
const statuses = (events: readonly Event[]) =>
  events.filter(({ testId, status }) => testId !== null && status !== null && testId !== 'subunit.parser');

needs('subunit-ls').describe('compared with python-subunit', () => {
  test.each(SAMPLES.map((name, index) => [name, samples[index] ?? Buffer.alloc(0)] as const))(
    'a real stream has the same packets: %s',
    (_name, stream) => {
      const { events, damage } = readStream(stream, 4096);
      expect(events).toEqual(askOracle([stream])[0]);
      expect(events.length).toBeGreaterThan(10);
      expect(damage).toEqual([]);
    },
  );

  test('generated streams have the same packets', LONG, () => {
    const answers = askOracle(generated);
    expect(answers).toHaveLength(STREAMS);
    for (const [index, stream] of generated.entries()) {
      const { events, damage } = readStream(stream, 1 + (index % 100));
      expect(damage, `stream ${index}`).toEqual([]);
      expect(events, `stream ${index}`).toEqual(answers[index]?.filter(isPacket));
    }
  });

  test('damaged streams have the same packets, and are reported as damaged', LONG, () => {
    const streams = generated.map((stream, seed) => damaged(stream, new SeededRandom(~seed)));
    const answers = askOracle(streams);
    let unreadableStreams = 0;
    for (const [index, stream] of streams.entries()) {
      const { events, damage } = readStream(stream, 1 + (index % 100));
      const [actual, expected] = [events, answers[index] ?? []];
      expect(statuses(actual), `stream ${index}`).toEqual(statuses(expected));
      const unreadable = expected.some(({ testId }) => testId === 'subunit.parser');
      if (unreadable) unreadableStreams += 1;
      if (unreadable) expect(damage, `stream ${index}`).not.toEqual([]);
    }
    expect(unreadableStreams).toBeGreaterThan(STREAMS / 4);
  });
});

describe('the reader', () => {
  test('does not depend on the size of chunks', () => {
    const whole = samples.map((stream) => readStream(stream));
    for (const bytes of [1, 7, 65_536])
      expect(samples.map((stream) => readStream(stream, bytes))).toEqual(whole);
  });

  test('continues after a packet with a wrong checksum', () => {
    const [before, after] = [encodePacket({ testId: 'a', status: 'success' }), encodePacket({ testId: 'c' })];
    const wrong = encodePacket({ testId: 'b', status: 'fail' });
    wrong[8] = (wrong[8] ?? 0) ^ 1;
    const { events, damage } = readStream(Buffer.concat([before, wrong, after]));
    expect(events.map(({ testId }) => testId)).toEqual(['a', 'c']);
    expect(damage).toEqual(['a packet has a wrong checksum']);
  });

  test('does not find the packets in the attachment of a damaged packet', () => {
    const inner = encodePacket({ testId: 'never ran', status: 'fail' });
    const outer = encodePacket({ testId: 'outer', fileName: 'stream', content: inner });
    outer[6] = (outer[6] ?? 0) ^ 1;
    expect(readStream(outer)).toEqual({ events: [], damage: ['a packet has a wrong checksum'] });
  });

  test.each([
    [
      'a packet that is cut off',
      encodePacket({ testId: 'a' }).subarray(0, -1),
      'it ends in the middle of a packet',
    ],
    [
      'a packet without its signature',
      encodePacket({ testId: 'a' }).subarray(1),
      'it contains bytes that are neither a packet nor text',
    ],
    ['a length of four bytes', Buffer.from([0xb3, 0x20, 0, 0xff, 0xff, 0xff]), 'a packet is too long'],
    ['a length of zero', Buffer.from([0xb3, 0x20, 0, 0, 0, 0, 0, 0, 0]), 'a packet is too short'],
    ['a length below its own header', Buffer.from([0xb3, 0x20, 0, 7, 0, 0, 0]), 'a packet is too short'],
    [
      'a string beyond its end',
      seal(0x2800, Buffer.from([0x20, 0x61])),
      'a value reaches beyond the end of its packet',
    ],
    [
      'a number that is cut off',
      seal(0x2800, Buffer.from([0xc0])),
      'a value reaches beyond the end of its packet',
    ],
    ['a NUL in a name', encodePacket({ testId: 'a\0b' }), 'a string contains a NUL'],
    ['a name that is not UTF-8', encodePacket({ testId: Buffer.from([0xff]) }), 'a string is not UTF-8'],
    [
      'more tags than there are',
      seal(0x2080, Buffer.from([0xff, 0xff, 0xff, 0xff])),
      'a value reaches beyond the end of its packet',
    ],
  ])('%s is damage', (_what, stream, why) => {
    expect(readStream(stream)).toEqual({ events: [], damage: [why] });
  });

  test('skips text between packets', () => {
    const packet = encodePacket({ testId: 'a', status: 'success' });
    const text = Buffer.from('a warning with ³\n');
    const { events, damage } = readStream(Buffer.concat([text, packet, text]));
    expect(events.map(({ testId }) => testId)).toEqual(['a']);
    expect(damage).toEqual([]);
  });
});
