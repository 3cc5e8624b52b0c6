/** What this host says about itself. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { NodeSystem } from '../../machines/model/environment.ts';
import { parseSystem, SYSTEM_SCRIPT } from '../run/system.ts';

export async function readSystem(signal: AbortSignal): Promise<NodeSystem> {
  const { stdout = '' } = await execa('sh', [fileURLToPath(SYSTEM_SCRIPT), 'system'], {
    reject: false,
    stdin: 'ignore',
    maxBuffer: 64 * 1024,
    timeout: TIMEOUT_MS,
    cancelSignal: signal,
  });
  return parseSystem(stdout);
}

const TIMEOUT_MS = 10_000;
