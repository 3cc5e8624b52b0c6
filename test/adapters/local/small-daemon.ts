/** Builds test/fixtures/start-stage.ts once for a test file, and starts it in its own process group. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import type { RunStage } from './scratch.ts';

export interface SmallDaemon {
  readonly pid: number;
  /** The lines that it prints. */
  readonly lines: AsyncIterator<string>;
  /** Kills its whole process group, and waits until it has ended. */
  killGroup(): Promise<void>;
}

export class SmallDaemonProgram {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sos-ci-small-daemon-'));
  readonly #file = join(this.#directory, 'start-stage.mjs');

  async build(): Promise<void> {
    const runner = new URL('../../../src/adapters/run/runner-protocol.ts', import.meta.url).href;
    await build({
      entryPoints: [new URL('../../fixtures/start-stage.ts', import.meta.url).pathname],
      outfile: this.#file,
      bundle: true,
      format: 'esm',
      platform: 'node',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire('/');" },
      // runner.sh is found relative to the source.
      define: { 'import.meta.url': JSON.stringify(runner) },
      logLevel: 'silent',
    });
  }

  start(stateDir: string, request: RunStage): SmallDaemon {
    const input = JSON.stringify({ stateDir, request });
    const child = spawn(process.execPath, [this.#file, input], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { pid: child.pid ?? 0, lines, killGroup: () => killGroup(child) };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function killGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  process.kill(-child.pid, 'SIGKILL');
  await exited;
}
