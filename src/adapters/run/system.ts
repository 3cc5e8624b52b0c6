/** Reads the output of system.sh, which may come from a hostile node: what is not as expected is unknown. */
import type { NodeSystem } from '../../machines/model/environment.ts';

/** Shared by nodes and this host. Its first line of output is its argument. */
export const SYSTEM_SCRIPT = new URL('./system.sh', import.meta.url);

/** @param output without the first line */
export function parseSystem(output: string): NodeSystem {
  const [os, kernel, cpus, memoryKib] = [
    /^os ([\x20-\x7e]{1,100})$/m,
    /^kernel ([A-Za-z0-9._+~-]{1,100} [A-Za-z0-9_]{1,20})$/m,
    /^cpus ([1-9]\d{0,4})$/m,
    /^memory ([1-9]\d{0,11})$/m,
  ].map((line) => line.exec(output)?.[1] ?? null);
  return {
    os: os ?? null,
    kernel: kernel ?? null,
    cpus: cpus == null ? null : Number(cpus),
    memoryBytes: memoryKib == null ? null : Number(memoryKib) * 1024,
  };
}
