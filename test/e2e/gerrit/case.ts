/**
 * One case with a real Gerrit: projects, a state directory and daemons that it does not share. Results are read from
 * Gerrit's REST API, the process table, the file tree and a ledger that the stages write; the daemon's store only shows
 * when to read them.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openReader } from '../../../src/adapters/sqlite/reader.ts';
import { markedProcesses } from '../../../src/demo/observer.ts';
import type { StoreReader } from '../../../src/engine/ports/store.ts';
import type { Sshd } from '../../fixtures/sshd.ts';
import { DaemonProcess } from '../daemon-process.ts';
import type { RealGerrit } from '../real-gerrit/real-gerrit.ts';
import type { ShownChange, ShownMessage } from '../real-gerrit/rest.ts';
import { eventually } from '../waiting.ts';
import {
  ACCOUNT,
  type CaseOptions,
  caseConfig,
  NODE_ADDRESSES,
  type Section,
  stageHead,
} from './case-config.ts';
import { Checkout } from './checkout.ts';

const PROGRAM = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

interface CaseLocation {
  /** Name of its first project. */
  readonly name: string;
  /** Created by the case. */
  readonly directory: string;
}

export class TestCase {
  readonly name: string;
  readonly directory: string;
  readonly stateDir: string;
  readonly config: string;
  readonly ledgerFile: string;
  readonly gerrit: RealGerrit;
  /** NODE_OPTIONS of the daemons. */
  nodeOptions = '';
  readonly #sshd: Sshd;
  readonly #options: CaseOptions;
  readonly #daemons: DaemonProcess[] = [];
  readonly #checkouts = new Map<string, Checkout>();

  constructor(gerrit: RealGerrit, sshd: Sshd, { name, directory }: CaseLocation, options: CaseOptions) {
    this.gerrit = gerrit;
    this.#sshd = sshd;
    this.name = name;
    this.directory = directory;
    this.stateDir = join(directory, 'state');
    this.config = join(directory, 'sos-ci.yaml');
    this.ledgerFile = join(directory, 'ledger');
    this.#options = options;
  }

  async prepare(): Promise<void> {
    mkdirSync(this.directory);
    writeFileSync(this.ledgerFile, '');
    for (const project of this.#projects) await this.#addProject(project);
    this.configure();
  }

  /** Writes the configuration; `gerrit` and `jobs` override keys of these sections. */
  configure(gerrit: Section = {}, jobs: Readonly<Record<string, Section>> = {}): void {
    const location = {
      gerrit: this.gerrit,
      stateDir: this.stateDir,
      sshd: this.#sshd,
      nodes: this.#nodeDirectories,
      projects: this.#projects,
    };
    writeFileSync(
      this.config,
      JSON.stringify(caseConfig(location, this.#options, { gerrit, jobs }), null, 2),
    );
  }

  /** The developer's clone of this case's project, or of another one of its projects. */
  checkout(other = ''): Checkout {
    const project = this.projectName(other);
    const checkout = this.#checkouts.get(project);
    if (checkout === undefined) throw new Error(`${this.name} has no project ${project}`);
    return checkout;
  }

  /** A user's clone of any project, before it is made. */
  cloneOf(project: string, user: string): Checkout {
    return new Checkout({
      directory: join(this.directory, `${user}-${project.replaceAll('/', '-')}`),
      url: `ssh://${user}@${this.gerrit.host}:${this.gerrit.port}/${project}`,
      keyFile: this.gerrit.keyFile(user),
      knownHostsFile: this.gerrit.knownHostsFile,
    });
  }

  projectName(other = ''): string {
    return other === '' ? this.name : `${this.name}-${other}`;
  }

  spawnDaemon(...words: string[]): DaemonProcess {
    return this.#spawn([PROGRAM], words, '');
  }

  /** Starts a daemon that blocks at a fault point, and kills it there. @param program see FaultyProgram */
  async crashAt(program: string, point: string): Promise<void> {
    const file = join(this.directory, `fault-${this.#daemons.length + 1}`);
    const daemon = this.#spawn([program, point, file], [], file);
    await this.eventually(`the daemon is at ${point}`, () => existsSync(file));
    await daemon.kill();
  }

  #spawn(program: readonly string[], words: readonly string[], faultFile: string): DaemonProcess {
    const child = spawn(process.execPath, [...program, 'daemon', '--config', this.config, ...words], {
      cwd: this.directory,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...unitEnvironment(),
        NODE_OPTIONS: this.nodeOptions,
        PATH: process.env.PATH ?? '/usr/bin:/bin',
      },
    });
    const daemon = new DaemonProcess(child, faultFile);
    this.#daemons.push(daemon);
    return daemon;
  }

  /**
   * Waits until a first start no longer tests earlier pushes. Gerrit's timestamps have whole seconds, and pushes that
   * may be as late as the start are tested.
   */
  async waitUntilStartIsLater(): Promise<void> {
    const past = Date.now() + 2_000;
    await this.eventually('the pushes are older than the start', () => Date.now() > past);
  }

  /** Starts a daemon and waits until it receives the stream. */
  async startDaemon(): Promise<DaemonProcess> {
    const daemon = this.spawnDaemon();
    await this.listening(daemon);
    return daemon;
  }

  /** Waits until the daemon logs that its stream is connected. */
  async listening(daemon: DaemonProcess): Promise<void> {
    await this.eventually('the daemon receives the stream', async () => {
      if (daemon.exitCode !== null) throw new Error(`the daemon ended\n${daemon.log}`);
      return daemon.log.includes('connected');
    });
  }

  /** Runs any other command of the program; returns its output and exit code. */
  runCli(...words: string[]): Promise<{ readonly code: number; readonly text: string }> {
    return new Promise((resolve) => {
      const argv = [PROGRAM, ...words, '--config', this.config];
      const child = execFile(process.execPath, argv, { cwd: this.directory }, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode ?? -1, text: stdout + stderr }),
      );
    });
  }

  /** Releases the stages that call `wait_for_go`, now and later. */
  go(): void {
    writeFileSync(this.#goFile, '');
  }

  shown(change: number): Promise<ShownChange> {
    return this.gerrit.as('admin').change(change);
  }

  /** Our messages on a change, oldest first. */
  async messages(change: number): Promise<readonly ShownMessage[]> {
    return (await this.shown(change)).messages.filter(({ author }) => author === ACCOUNT);
  }

  /** Resolves to our messages once there are this many. */
  reported(change: number, count = 1): Promise<readonly ShownMessage[]> {
    return this.eventually(`${count} messages on change ${change}`, async () => {
      const messages = await this.messages(change);
      return messages.length >= count ? messages : null;
    });
  }

  /** Our vote on the current patchset; 0 for none. */
  async vote(change: number, label = 'Verified'): Promise<number> {
    return (await this.shown(change)).votes[label]?.[ACCOUNT] ?? 0;
  }

  /** Lines of the ledger that begin with this. */
  ledger(start = ''): readonly string[] {
    return readFileSync(this.ledgerFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && line.startsWith(start));
  }

  /** Waits until all jobs have ended and nothing of them is left. */
  async settled(jobs = 1, limitMs?: number): Promise<void> {
    await this.eventually(`all of ${jobs} jobs have ended`, () => this.ended(jobs), limitMs);
    let left: readonly string[] = [];
    const poll = async (): Promise<boolean> => {
      left = await this.leftovers();
      return left.length === 0;
    };
    const report = () => `${left.join('\n')}\n${this.report()}`;
    await eventually(`${this.name}: nothing is left`, poll, report, this.#options.limitMs);
  }

  /** True if at least this many jobs have begun, and all have ended. */
  ended(jobs: number): boolean {
    return this.read((reader) => reader.jobs({ limit: 1000 }).length >= jobs && allEnded(reader));
  }

  /** States and verdicts of all jobs, for results that Gerrit does not show. */
  jobs(): readonly string[] {
    return this.read((reader) =>
      reader.jobs({ limit: 1000 }).map((job) => `${job.change},${job.patchset} ${job.state} ${job.verdict}`),
    );
  }

  read<T>(poll: (reader: StoreReader) => T): T {
    const reader = openReader(join(this.stateDir, 'sos-ci.db'));
    try {
      return poll(reader);
    } finally {
      reader.close();
    }
  }

  /** Servers, runs, staged evidence and marked processes that still exist. */
  async leftovers(): Promise<readonly string[]> {
    const processes = (await markedProcesses(this.directory)).map(
      ({ pid, command }) => `process ${pid} ${command}`,
    );
    const directories = ['servers', 'runs', 'evidence', 'host-keys'].map((name) => join(this.stateDir, name));
    const names = [...directories, ...this.#nodeDirectories].flatMap((directory) =>
      existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [],
    );
    return [...processes, ...names];
  }

  eventually<T>(
    what: string,
    poll: () => T | null | false | Promise<T | null | false>,
    limitMs = this.#options.limitMs,
  ): Promise<T> {
    return eventually(`${this.name}: ${what}`, poll, () => this.report(), limitMs);
  }

  /** For a failed wait: the state of every job, and the logs of the daemons. */
  report(): string {
    const known = existsSync(join(this.stateDir, 'sos-ci.db')) ? this.jobs() : [];
    return [...known, ...this.#daemons.map((daemon) => daemon.log)].join('\n');
  }

  async close(): Promise<void> {
    for (const daemon of this.#daemons) daemon.signal('SIGKILL');
    for (const { pid } of await markedProcesses(this.directory)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has already ended.
      }
    }
  }

  get #projects(): readonly string[] {
    return ['', ...(this.#options.projects ?? [])].map((other) => this.projectName(other));
  }

  get #goFile(): string {
    return join(this.directory, 'go');
  }

  async #addProject(project: string): Promise<void> {
    await this.gerrit.as('admin').put(`projects/${encodeURIComponent(project)}`, {});
    const [admin, dev] = [this.cloneOf(project, 'admin'), this.cloneOf(project, 'dev')];
    const head = stageHead(this.ledgerFile, this.#goFile);
    await admin.make();
    await admin.begin({
      'stack.sh': head + (this.#options.stacking ?? ''),
      'test.sh': head + (this.#options.testing ?? 'pass\n'),
      README: 'a project\n',
    });
    await dev.make();
    this.#checkouts.set(project, dev);
  }

  get #nodeDirectories(): readonly string[] {
    const addresses = NODE_ADDRESSES.slice(0, this.#options.nodes ?? 1);
    return addresses.map((_, index) => join(this.directory, `node-${index + 1}`));
  }
}

function allEnded(reader: StoreReader): boolean {
  const open = { open: true, limit: 1 };
  return reader.reviews(open).length === 0 && reader.jobs(open).length === 0;
}

/** The variables that the shipped systemd unit sets for the daemon. */
function unitEnvironment(): Readonly<Record<string, string>> {
  const unit = readFileSync(new URL('../../../examples/sos-ci.service', import.meta.url), 'utf8');
  const assignments = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, args = '']) => args.split(' '));
  return Object.fromEntries(assignments.map((assignment) => assignment.split('=', 2)));
}
