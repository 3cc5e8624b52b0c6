/** A terminal that records its output. */
import type { Io } from '../../src/cli/output/terminal.ts';

export interface FakeIo extends Io {
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export function fakeIo(
  options: Partial<
    Pick<Io, 'color' | 'width' | 'height' | 'jsonl' | 'header' | 'progress' | 'now' | 'alive'>
  > = {},
): FakeIo {
  const out: string[] = [];
  const err: string[] = [];
  return {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    drained: async () => undefined,
    color: false,
    width: Number.POSITIVE_INFINITY,
    height: Number.POSITIVE_INFINITY,
    progress: false,
    jsonl: false,
    header: true,
    now: () => 0,
    alive: () => false,
    ...options,
    stdout: () => out.join(''),
    stderr: () => err.join(''),
  };
}
