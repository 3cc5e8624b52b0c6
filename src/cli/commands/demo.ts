/** `sos-ci demo`: runs the scenes of the demo on this host. */
import { runDemo } from '../../demo/demo.ts';
import type { Io } from '../output/terminal.ts';

export interface DemoFlags {
  readonly keep?: boolean;
}

export function demoCommand(io: Io, flags: DemoFlags): Promise<number> {
  return runDemo({
    keep: flags.keep === true,
    out: (text) => io.out(text),
    color: io.color,
  });
}
