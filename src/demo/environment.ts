/**
 * Everything that the demo needs, in one temporary directory: Gerrit, accounts and keys, the sample project, a package
 * mirror, a web server for logs, a configuration, and the daemon. Closing it removes all processes and the directory.
 */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openReader } from '../adapters/sqlite/reader.ts';
import type { DaemonView, StoreReader } from '../engine/ports/store.ts';
import { OperationError } from '../errors.ts';
import { DaemonProcess } from './daemon-process.ts';
import { Developer } from './developer.ts';
import type { GerritHost } from './gerrit-host.ts';
import { LabCloud, type LabPrograms } from './lab-cloud.ts';
import { type LogServer, startLogServer } from './log-server.ts';
import { findDaemons, markedProcesses, remainingServers } from './observer.ts';
import { PackageMirror } from './package-mirror.ts';
import { CLOUD_PROJECT, type Files, PROJECT, sampleFiles } from './sample-project.ts';
import { waitFor, waitForPromise } from './wait.ts';

const JOB = 'demo-volumes';
const CLOUD_JOB = 'demo-cloud';
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;
const TERM_GRACE_MS = 3000;

export class DemoEnvironment {
  readonly directory: string;
  readonly gerrit: GerritHost;
  readonly mirror = new PackageMirror();
  readonly daemon: DaemonProcess;
  readonly #lab: LabPrograms | null;
  readonly #signal: AbortSignal;
  #cloud: LabCloud | null = null;
  #developer: Developer | null = null;
  #cloudDeveloper: Developer | null = null;
  #logServer: LogServer | null = null;
  #reader: StoreReader | null = null;

  private constructor(
    directory: string,
    gerrit: GerritHost,
    program: string,
    lab: LabPrograms | null,
    signal: AbortSignal,
  ) {
    this.directory = directory;
    this.gerrit = gerrit;
    this.#lab = lab;
    this.#signal = signal;
    const config = this.path('sos-ci.yaml');
    const ansible = lab !== null && 'program' in lab.ansible ? [path.dirname(lab.ansible.program)] : [];
    const logFile = this.path('daemon.log');
    this.daemon = new DaemonProcess({ program, config, logFile, programDirectories: ansible });
  }

  /** Creates the directory and Gerrit; without an OpenStack if `lab` is null. Call `open` to start everything but the daemon, and `close` even if `open` fails. */
  static async make(
    program: string,
    makeGerrit: (directory: string) => Promise<GerritHost>,
    lab: LabPrograms | null,
    signal: AbortSignal,
  ): Promise<DemoEnvironment> {
    const directory = await realpath(await mkdtemp(path.join(tmpdir(), 'sos-ci-demo-')));
    try {
      return new DemoEnvironment(directory, await makeGerrit(directory), program, lab, signal);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async open(): Promise<void> {
    await mkdir(this.path('logs'));
    await this.mirror.open();
    await this.gerrit.start();
    await writeFile(this.path('known_hosts'), this.gerrit.knownHosts);
    const files = await sampleFiles(this.mirror.url);
    await this.gerrit.createProject(PROJECT, files);
    this.#developer = await this.#clone(PROJECT, files);
    if (this.#lab !== null) {
      await this.gerrit.createProject(CLOUD_PROJECT, files);
      this.#cloudDeveloper = await this.#clone(CLOUD_PROJECT, files);
      this.#cloud = await LabCloud.start(this.directory, this.#lab);
    }
    this.#logServer = await startLogServer({ dir: this.path('logs'), port: 0 });
    await writeFile(this.path('sos-ci.yaml'), this.#configuration(this.#logServer.url, this.#cloud));
  }

  async #clone(project: string, files: Files): Promise<Developer> {
    const developer = new Developer(
      {
        directory: this.path(path.basename(project)),
        url: `ssh://dev@${this.gerrit.host}:${this.gerrit.developerPort}/${project}`,
        keyFile: this.gerrit.keyFile('dev'),
        knownHostsFile: this.path('known_hosts'),
      },
      files,
    );
    await developer.clone();
    return developer;
  }

  path(...names: string[]): string {
    return path.join(this.directory, ...names);
  }

  get stateDir(): string {
    return this.path('state');
  }

  get developer(): Developer {
    if (this.#developer === null) throw new Error('the demo environment is not open');
    return this.#developer;
  }

  /** Null: this host has no sshd. */
  get cloud(): LabCloud | null {
    return this.#cloud;
  }

  /** Of the project that is tested in the cloud. */
  get cloudDeveloper(): Developer {
    if (this.#cloudDeveloper === null) throw new Error('the demo has no cloud');
    return this.#cloudDeveloper;
  }

  /** Servers of this host and of the cloud, and all that the cloud made for them. */
  async remainingServers(): Promise<readonly string[]> {
    return [...(await remainingServers(this.stateDir)), ...(this.#cloud?.left ?? [])];
  }

  get logsUrl(): string {
    return this.#logServer?.url ?? '';
  }

  /** The daemon's store, opened read-only. */
  get reader(): StoreReader {
    this.#reader ??= openReader(path.join(this.stateDir, 'sos-ci.db'));
    return this.#reader;
  }

  /** Resolves once the daemon is connected to Gerrit's stream; returns how long that took, in ms. */
  async startDaemon(): Promise<number> {
    const start = performance.now();
    this.daemon.start();
    await this.until('the daemon to connect to the stream', () => {
      this.daemon.assertRunning();
      return this.#isConnected();
    });
    return performance.now() - start;
  }

  /** Checks the daemon's own record; the pid excludes the record of a killed daemon. */
  #isConnected(): boolean {
    let view: DaemonView | null;
    try {
      view = this.reader.daemon();
    } catch (error) {
      // The daemon is still creating its database.
      if (error instanceof OperationError) return false;
      throw error;
    }
    return view?.pid === this.daemon.pid && /^(connected|listening)/.test(view.stream);
  }

  until(what: string, test: () => boolean): Promise<boolean> {
    return waitFor(what, START_TIMEOUT_MS, this.#signal, test);
  }

  /** Sends SIGTERM and returns the exit code; null when the daemon had to be killed. */
  async stopDaemon(): Promise<number | null> {
    this.daemon.terminate();
    const never = new AbortController().signal;
    try {
      return (await waitForPromise('the daemon to stop', STOP_TIMEOUT_MS, never, this.daemon.exited)).code;
    } catch {
      await this.daemon.kill();
      return null;
    }
  }

  /** Ends all remaining processes, and removes the directory unless `keepDirectory` is set. */
  async close(keepDirectory: boolean): Promise<void> {
    this.#reader?.close();
    this.#reader = null;
    if (this.daemon.pid !== 0 && this.daemon.exitStatus === null) await this.stopDaemon();
    await endAll('the daemons', () => findDaemons(this.path('sos-ci.yaml')));
    await endAll('the stages', async () => (await markedProcesses(this.directory)).map(({ pid }) => pid));
    await this.#cloud?.stop();
    await this.gerrit.stop();
    await this.mirror.close();
    await this.#logServer?.close();
    if (!keepDirectory) {
      await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    }
  }

  #configuration(logsUrl: string, cloud: LabCloud | null): string {
    return `# Written by sos-ci demo. Only the short timeouts are unusual.
gerrit:
  {host: ${this.gerrit.host}, port: ${this.gerrit.port}, user: ${this.gerrit.ci}, key: '${this.gerrit.keyFile(this.gerrit.ci)}',
   knownHosts: known_hosts, postSettleTimeout: 2s}
report: {label: Verified, success: 1, failure: -1, helpUrl: 'https://wiki.example.org/ThirdPartySystems/Demo_CI'}
logs: {dir: logs, url: '${logsUrl}'}
providers:
  local: {}
${cloud === null ? '' : `  lab: ${cloud.provider()}\n`}jobs:
${cloud === null ? '' : `  ${CLOUD_JOB}: ${cloud.job()}\n`}  ${JOB}:
    project: ${PROJECT}
    provider: local
    stacking: {command: [./stack.sh], timeout: 1m}
    testing: {command: [./run-tests.sh], timeout: 2m, results: results.tap}
    logs: [logs, results.tap]
    limits: {setupRetryDelay: 1s}
`;
  }
}

/** Sends SIGTERM, and SIGKILL after a grace period. Ends processes that appear meanwhile, too. */
async function endAll(what: string, find: () => Promise<readonly number[]>): Promise<void> {
  let signal: NodeJS.Signals = 'SIGTERM';
  const killAfter = performance.now() + TERM_GRACE_MS;
  await waitFor(`${what} to end`, STOP_TIMEOUT_MS, new AbortController().signal, async () => {
    const found = await find();
    for (const pid of found) sendSignal(pid, signal);
    if (performance.now() > killAfter) signal = 'SIGKILL';
    return found.length === 0;
  });
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has already exited.
  }
}
