/** A terminal that records its output. */
import type { Io } from '../../src/cli/output/terminal.ts';

export interface FakeIo extends Io {
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export function fakeIo(
  options: Partial<Pick<Io, 'color' | 'width' | 'progress' | 'now' | 'alive'>> = {},
): FakeIo {
  const out: string[] = [];
  const err: string[] = [];
  return {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    color: false,
    width: Number.POSITIVE_INFINITY,
    progress: false,
    now: () => 0,
    alive: () => false,
    ...options,
    stdout: () => out.join(''),
    stderr: () => err.join(''),
  };
}
