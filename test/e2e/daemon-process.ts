/** A daemon process of the built program, which a test kills, stops, or waits for at a fault point. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';

export class DaemonProcess {
  readonly pid: number;
  readonly ended: Promise<number | null>;
  readonly faultFile: string;
  readonly #child: ChildProcess;
  #log = '';

  constructor(child: ChildProcess, faultFile: string) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.faultFile = faultFile;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-20_000);
    });
    this.ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  }

  get log(): string {
    return this.#log;
  }

  /** Null while it runs, or if a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Resolves when it is suspended at its fault point; never without one. */
  async reached(fault: string | null): Promise<void> {
    if (fault === null || fault === 'list') return new Promise(() => {});
    while (!existsSync(this.faultFile)) await pollDelay();
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** SIGTERM; returns the exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

/** The interval between two polls. @param tookMs time of the last one: a slow poll must not keep busy what it asks */
export function pollDelay(tookMs = 0): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(50, tookMs));
  });
}
