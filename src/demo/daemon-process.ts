/**
 * Runs the daemon as operators do: as a separate process in its own session, started from the command line, killed and
 * restarted.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DemoFailure } from './wait.ts';

export interface DaemonProcessOptions {
  /** dist/cli/main.js */
  readonly program: string;
  readonly config: string;
  readonly logFile: string;
  /** More directories for PATH. */
  readonly programDirectories: readonly string[];
}

export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export class DaemonProcess {
  readonly #options: DaemonProcessOptions;
  #child: ChildProcess | null = null;
  #ended: Promise<ExitStatus> = Promise.resolve({ code: 0, signal: null });
  #exitStatus: ExitStatus | null = null;
  #endedByUs = false;

  constructor(options: DaemonProcessOptions) {
    this.#options = options;
  }

  start(): number {
    const { program, config, logFile, programDirectories } = this.#options;
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, [program, 'daemon', '--config', config], {
      cwd: path.dirname(config),
      env: environment(programDirectories),
      // Ctrl-C in the terminal is for the demo, which then stops the daemon.
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#child = child;
    this.#exitStatus = null;
    this.#endedByUs = false;
    this.#ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        this.#exitStatus = { code, signal };
        resolve({ code, signal });
      });
    });
    this.#ended.catch(() => undefined);
    return child.pid ?? 0;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** How the daemon ended; null while it runs. */
  get exitStatus(): ExitStatus | null {
    return this.#exitStatus;
  }

  get exited(): Promise<ExitStatus> {
    return this.#ended;
  }

  /** @throws DemoFailure when the daemon ended unexpectedly */
  assertRunning(): void {
    if (this.#exitStatus === null || this.#endedByUs) return;
    const { code, signal } = this.#exitStatus;
    throw new DemoFailure(`the daemon ended unexpectedly with ${signal ?? `exit code ${code}`}`);
  }

  /** SIGKILL to the daemon alone, as `kill -9` does. */
  async kill(): Promise<void> {
    this.#endedByUs = true;
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  terminate(): void {
    this.#endedByUs = true;
    this.#child?.kill('SIGTERM');
  }

  /** The last lines of its log. */
  async logTail(lines: number): Promise<string> {
    const text = await readFile(this.#options.logFile, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Runs another command of the program; the text includes its standard error. */
  runCommand(...args: string[]): Promise<{ readonly code: number; readonly text: string }> {
    const argv = [this.#options.program, ...args, '--config', this.#options.config];
    const options = { env: environment([]), maxBuffer: MAX_OUTPUT_BYTES };
    return new Promise((resolve) => {
      const child = execFile(process.execPath, argv, options, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode ?? 1, text: stdout + stderr }),
      );
    });
  }
}

/** Puts the Node of the demo first in PATH: the sample project's tests need one. */
function environment(programDirectories: readonly string[]): NodeJS.ProcessEnv {
  const { PATH = '/usr/local/bin:/usr/bin:/bin', HOME, LANG, TMPDIR } = process.env;
  return {
    PATH: [path.dirname(process.execPath), PATH, ...programDirectories].join(path.delimiter),
    ...(HOME === undefined ? {} : { HOME }),
    ...(LANG === undefined ? {} : { LANG }),
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
  };
}
