/** Reads a stream with our reader and with python-subunit, and returns both results in the same form. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import type { Packet } from '../../../../src/adapters/results/subunit/packet.ts';
import { SubunitParser } from '../../../../src/adapters/results/subunit/parser.ts';
import { findProgram } from '../../../fixtures/programs.ts';

export interface Event extends Omit<Packet, 'content' | 'timestamp'> {
  readonly content: string;
  readonly microseconds: number | null;
}

export interface Reading {
  readonly events: readonly Event[];
  readonly damage: readonly string[];
}

/** @param chunkBytes size of the chunks that the parser gets */
export function readStream(stream: Buffer, chunkBytes = stream.length): Reading {
  const events: Event[] = [];
  const damage: string[] = [];
  const parser = new SubunitParser({
    packet: ({ content, timestamp, ...rest }) => {
      const microseconds = timestamp === null ? null : timestamp.seconds * 1e6 + timestamp.nanoseconds / 1000;
      events.push({ ...rest, tags: [...rest.tags].sort(), content: content.toString('hex'), microseconds });
    },
    damage: (why) => damage.push(why),
  });
  for (let at = 0; at < stream.length; at += chunkBytes) parser.push(stream.subarray(at, at + chunkBytes));
  parser.end();
  return { events, damage };
}

/** Reads all streams with python-subunit, in one process. */
export function askOracle(streams: readonly Buffer[]): readonly (readonly Event[])[] {
  const program = findProgram('subunit-ls');
  if (program === null) throw new Error('python-subunit is not installed');
  const input = Buffer.concat(
    streams.flatMap((stream) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(stream.length);
      return [length, stream];
    }),
  );
  const script = join(import.meta.dirname, 'oracle.py');
  const done = spawnSync(join(dirname(program), 'python3'), [script], {
    input,
    encoding: 'utf8',
    timeout: 300_000,
    maxBuffer: 1 << 30,
  });
  if (done.status !== 0) throw new Error(`oracle.py: ${done.stderr || done.error || done.status}`);
  const read = (line: string): readonly Event[] => JSON.parse(line);
  const sorted = (event: Event) => ({ ...event, tags: [...event.tags].sort() });
  return done.stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => read(line).map(sorted));
}
