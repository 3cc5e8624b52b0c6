/**
 * Everything that the demo needs, in one temporary directory: Gerrit, accounts and keys, the sample project, a package
 * mirror, a web server for logs, a configuration, and the daemon. Closing it leaves nothing: no process, no directory.
 */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LogServer, startLogServer } from '../adapters/logs/server.ts';
import { openReader } from '../adapters/sqlite/reader.ts';
import type { StoreReader } from '../engine/store.ts';
import { DaemonProcess } from './daemon-process.ts';
import { Developer } from './developer.ts';
import { EmbeddedGerrit } from './gerrit/embedded-gerrit.ts';
import { makeKeyPair } from './gerrit/key-pair.ts';
import { daemonsOf, markedProcesses } from './outside.ts';
import { PackageMirror } from './package-mirror.ts';
import { patiently, within } from './patience.ts';
import { PROJECT, sampleFiles } from './sample-project.ts';

export const CI_ACCOUNT = 'demo-ci';
const JOB = 'demo-volumes';
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;
const POLITE_MS = 3000;

export class Lab {
  readonly directory: string;
  readonly gerrit: EmbeddedGerrit;
  readonly mirror = new PackageMirror();
  readonly daemon: DaemonProcess;
  readonly #signal: AbortSignal;
  readonly #keys = new Map<string, string>();
  #developer: Developer | null = null;
  #logServer: LogServer | null = null;
  #reader: StoreReader | null = null;

  private constructor(directory: string, program: string, signal: AbortSignal) {
    this.directory = directory;
    this.#signal = signal;
    const account = (username: string): { username: string; publicKeys: string[] } => {
      const pair = makeKeyPair(username);
      this.#keys.set(username, pair.privateKey);
      return { username, publicKeys: [pair.publicKey] };
    };
    this.gerrit = new EmbeddedGerrit({
      directory: this.path('git'),
      accounts: [
        { ...account('dev'), name: 'Dee Veloper', labels: { 'Code-Review': [-2, 2] } },
        { ...account(CI_ACCOUNT), name: 'Demo Storage CI', mayStream: true, labels: { Verified: [-1, 1] } },
      ],
    });
    const config = this.path('sos-ci.yaml');
    this.daemon = new DaemonProcess({ program, config, logFile: this.path('daemon.log') });
  }

  /** Builds everything but the daemon. What was built before a failure must be closed all the same. */
  static async make(program: string, signal: AbortSignal): Promise<Lab> {
    const directory = await realpath(await mkdtemp(path.join(tmpdir(), 'sos-ci-demo-')));
    return new Lab(directory, program, signal);
  }

  async open(): Promise<void> {
    await mkdir(this.path('keys'), { mode: 0o700 });
    await mkdir(this.path('logs'));
    for (const [username, key] of this.#keys) {
      await writeFile(this.path('keys', username), key, { mode: 0o600 });
    }
    await this.mirror.open();
    await this.gerrit.start();
    await writeFile(this.path('known_hosts'), this.gerrit.knownHosts);
    const files = await sampleFiles(this.mirror.url);
    await this.gerrit.createProject(PROJECT, files);
    this.#logServer = await startLogServer({ dir: this.path('logs'), port: 0 });
    await writeFile(this.path('sos-ci.yaml'), this.#configuration(this.#logServer.url));
    this.#developer = new Developer(
      {
        directory: this.path('volumes'),
        url: `ssh://dev@${this.gerrit.host}:${this.gerrit.port}/${PROJECT}`,
        keyFile: this.path('keys', 'dev'),
        knownHostsFile: this.path('known_hosts'),
      },
      files,
    );
    await this.#developer.clone();
  }

  path(...names: string[]): string {
    return path.join(this.directory, ...names);
  }

  get stateDir(): string {
    return this.path('state');
  }

  get developer(): Developer {
    if (this.#developer === null) throw new Error('the lab is not open');
    return this.#developer;
  }

  get logsUrl(): string {
    return this.#logServer?.url ?? '';
  }

  /** The daemon's own store, read beside it. */
  get reader(): StoreReader {
    this.#reader ??= openReader(path.join(this.stateDir, 'sos-ci.db'));
    return this.#reader;
  }

  /** Resolves once the daemon hears Gerrit's stream; how long that took, in ms. */
  async startDaemon(): Promise<number> {
    const start = performance.now();
    // A connection of a daemon that was killed must not be taken for the new one's.
    await this.until('the old stream to end', () => this.gerrit.streams === 0);
    this.daemon.start();
    await this.until('the daemon to hear the stream', () => {
      this.daemon.assertNotLost();
      return this.gerrit.streams > 0;
    });
    return performance.now() - start;
  }

  until(what: string, test: () => boolean): Promise<boolean> {
    return patiently(what, START_LIMIT_MS, this.#signal, test);
  }

  /** SIGTERM, and its exit code; null when it had to be killed. */
  async stopDaemon(): Promise<number | null> {
    this.daemon.terminate();
    const never = new AbortController().signal;
    try {
      return (await within('the daemon to stop', STOP_LIMIT_MS, never, this.daemon.ended)).code;
    } catch {
      await this.daemon.kill();
      return null;
    }
  }

  /** Ends what is still there, whoever started it, and removes the directory unless it is to be looked at. */
  async close(keepDirectory: boolean): Promise<void> {
    this.#reader?.close();
    this.#reader = null;
    if (this.daemon.pid !== 0 && this.daemon.ending === null) await this.stopDaemon();
    await endAll('the daemons', () => daemonsOf(this.path('sos-ci.yaml')));
    await endAll('the stages', async () => (await markedProcesses(this.directory)).map(({ pid }) => pid));
    await this.gerrit.stop();
    await this.mirror.close();
    await this.#logServer?.close();
    if (!keepDirectory) {
      await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    }
  }

  #configuration(logsUrl: string): string {
    return `# Written by sos-ci demo. Only the short waits are unusual: a demo has no time.
gerrit:
  {host: ${this.gerrit.host}, port: ${this.gerrit.port}, user: ${CI_ACCOUNT}, key: keys/${CI_ACCOUNT},
   knownHosts: known_hosts, settle: 2s}
report: {label: Verified, success: 1, failure: -1, wiki: 'https://wiki.example.org/ThirdPartySystems/Demo_CI'}
logs: {dir: logs, url: '${logsUrl}'}
jobs:
  ${JOB}:
    project: ${PROJECT}
    stacking: {command: [./stack.sh], timeout: 1m}
    testing: {command: [./run-tests.sh], timeout: 2m, results: results.tap}
    logs: [logs, results.tap]
    limits: {setupRetry: 1s}
`;
  }
}

/** Asks politely once, then does not ask. What appears meanwhile is ended too. */
async function endAll(what: string, find: () => Promise<readonly number[]>): Promise<void> {
  let signal: NodeJS.Signals = 'SIGTERM';
  const politeUntil = performance.now() + POLITE_MS;
  await patiently(`${what} to end`, STOP_LIMIT_MS, new AbortController().signal, async () => {
    const found = await find();
    for (const pid of found) end(pid, signal);
    if (performance.now() > politeUntil) signal = 'SIGKILL';
    return found.length === 0;
  });
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}
