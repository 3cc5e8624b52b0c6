/**
 * A Gerrit server as a process: starts it, waits until it logs that it is ready, and stops it. The kernel kills it when
 * its parent process ends for any reason.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { after, type Cancel } from '../../../src/timer.ts';

export interface ProgramOptions {
  readonly java: string;
  readonly classPath: string;
  /** False: starts faster, but runs slower. */
  readonly optimize: boolean;
}

const LAUNCHER = 'com.google.gerrit.launcher.GerritLauncher';
const READY = /Gerrit Code Review \S+ ready/;
const START_LIMIT_MS = 180_000;
const STOP_LIMIT_MS = 30_000;
const OUTPUT_KEPT = 20_000;

export class GerritProgram {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#ended = new Promise((resolve) => {
      child.once('error', () => resolve(null));
      child.once('exit', (code) => resolve(code));
    });
  }

  /** Runs `init` until it ends. */
  static async initialize(options: ProgramOptions, site: string): Promise<void> {
    const args = ['init', '--batch', '--dev', '--no-auto-start', '-d', site];
    const program = GerritProgram.#spawn(options, args);
    const code = await program.#within(START_LIMIT_MS, program.#ended);
    if (code !== 0) throw new Error(`Gerrit's init ended with ${code}:\n${program.#output}`);
  }

  /** Resolves when the server is ready. */
  static async start(options: ProgramOptions, site: string): Promise<GerritProgram> {
    const program = GerritProgram.#spawn(options, ['daemon', '-d', site, '--console-log']);
    const ready = new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (READY.test(program.#output)) resolve();
      };
      program.#child.stdout?.on('data', check);
      program.#child.stderr?.on('data', check);
      void program.#ended.then((code) => reject(new Error(`Gerrit ended with ${code}:\n${program.#output}`)));
    });
    await program.#within(START_LIMIT_MS, ready);
    return program;
  }

  static #spawn({ java, classPath, optimize }: ProgramOptions, args: readonly string[]): GerritProgram {
    const fast = optimize ? [] : ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
    const argv = ['--pdeathsig', 'KILL', java, '-Xmx512m', ...fast, '-cp', classPath, LAUNCHER, ...args];
    const child = spawn('setpriv', argv, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const program = new GerritProgram(child);
    const listen = (text: Buffer): void => {
      program.#output = (program.#output + text.toString()).slice(-OUTPUT_KEPT);
    };
    child.stdout?.on('data', listen);
    child.stderr?.on('data', listen);
    return program;
  }

  /** The end of its output. */
  get output(): string {
    return this.#output;
  }

  /** It stops responding, but keeps its connections. */
  suspend(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** As an operator stops it: it closes its connections and writes its memory to disk. */
  async stop(): Promise<void> {
    this.resume();
    this.#child.kill('SIGTERM');
    await this.#within(STOP_LIMIT_MS, this.#ended).catch(() => this.kill());
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async #within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
    let cancel: Cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = after(limitMs, () =>
        reject(new Error(`Gerrit: not within ${limitMs / 1000} s:\n${this.#output}`)),
      );
    });
    return Promise.race([promise, late]).finally(() => cancel());
  }
}
