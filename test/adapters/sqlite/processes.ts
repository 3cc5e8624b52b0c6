/** Bundles other-program.ts once for a test file, and starts it in separate processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { ROOT } from '../../house/source.ts';

export interface Other {
  readonly pid: number;
  say(line: string): void;
  /** Its next line. @throws when it ended without one */
  line(): Promise<string>;
  /** SIGKILL; resolves when it has exited. */
  kill(): Promise<void>;
}

export class OtherProgram {
  readonly #directory: string;
  readonly #started: Other[] = [];

  constructor() {
    // Inside the checkout, so that better-sqlite3 is found.
    mkdirSync(join(ROOT, '.cache'), { recursive: true });
    this.#directory = mkdtempSync(join(ROOT, '.cache', 'test-other-'));
  }

  async build(): Promise<void> {
    await build({
      entryPoints: [new URL('./other-program.ts', import.meta.url).pathname],
      outfile: join(this.#directory, 'other.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      external: ['better-sqlite3'],
      // Migrations are searched for above the source.
      define: { 'import.meta.url': JSON.stringify(`file://${ROOT}/src/adapters/sqlite/migrate.ts`) },
      logLevel: 'silent',
    });
  }

  /** Resolves when it runs. */
  async start(...args: readonly string[]): Promise<Other> {
    const child = spawn(process.execPath, [join(this.#directory, 'other.mjs'), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const other = { pid: child.pid ?? 0, ...linesOf(child), kill: () => killed(child, exited) };
    this.#started.push(other);
    await other.line();
    return other;
  }

  async remove(): Promise<void> {
    await Promise.all(this.#started.map((other) => other.kill()));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function linesOf({ stdin, stdout }: ChildProcess): Pick<Other, 'say' | 'line'> {
  if (stdin === null || stdout === null) throw new Error('no pipes');
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return {
    say: (line) => stdin.write(`${line}\n`),
    line: async () => {
      const next = await lines.next();
      if (next.done === true) throw new Error('the program ended');
      return next.value;
    },
  };
}

async function killed(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill('SIGKILL');
  await exited;
}
