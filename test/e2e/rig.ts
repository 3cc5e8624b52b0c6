/**
 * A lab for tests with real processes: an embedded Gerrit in the test's own process, and real daemons of the built
 * program that are started, stood still at a fault point, killed and started again. Stages write to a ledger outside
 * of every directory of ours, so that what really began can be counted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openReader } from '../../src/adapters/sqlite/reader.ts';
import { Developer } from '../../src/demo/developer.ts';
import { EmbeddedGerrit } from '../../src/demo/gerrit/embedded-gerrit.ts';
import { makeKeyPair } from '../../src/demo/gerrit/key-pair.ts';
import { markedProcesses } from '../../src/demo/outside.ts';
import type { JobView } from '../../src/engine/store.ts';
import { replayHistory } from '../../src/machines/replay.ts';
import { sha256, verifyDatabase } from '../../src/maintenance.ts';

export const PROGRAM = join(import.meta.dirname, '../../dist/cli/main.js');
const ACCOUNT = 'acme-ci';

/** One Gerrit for all cases of a file; each case gets a project and a state directory of its own. */
export class Rig {
  readonly directory = mkdtempSync(join(tmpdir(), 'sos-ci-e2e-'));
  readonly gerrit: EmbeddedGerrit;
  #cases = 0;

  private constructor() {
    const ci = makeKeyPair(ACCOUNT);
    const dev = makeKeyPair('dev');
    this.gerrit = new EmbeddedGerrit({
      directory: join(this.directory, 'gerrit'),
      accounts: [
        {
          username: ACCOUNT,
          publicKeys: [ci.publicKey],
          mayStream: true,
          labels: { Verified: [-1, 1] },
        },
        { username: 'dev', publicKeys: [dev.publicKey] },
      ],
    });
    writeFileSync(join(this.directory, 'ci.key'), ci.privateKey, { mode: 0o600 });
    writeFileSync(join(this.directory, 'dev.key'), dev.privateKey, { mode: 0o600 });
  }

  static async start(): Promise<Rig> {
    const rig = new Rig();
    await rig.gerrit.start();
    writeFileSync(join(rig.directory, 'known_hosts'), rig.gerrit.knownHosts);
    return rig;
  }

  async newCase(options: CaseOptions): Promise<Case> {
    this.#cases += 1;
    const one = new Case(this, `case-${this.#cases}`, options);
    await one.prepare();
    return one;
  }

  async stop(): Promise<void> {
    await this.gerrit.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface CaseOptions {
  /** Shell text of the two stages; `note` writes a line to the ledger. */
  readonly stacking?: string;
  readonly testing?: string;
  /** More lines for the job, indented by four, and for the top level. */
  readonly job?: string;
  readonly top?: string;
  readonly testTimeout?: string;
}

const PASSING = "sleep 0.2\nprintf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n";

export class Case {
  readonly name: string;
  readonly directory: string;
  readonly stateDir: string;
  readonly config: string;
  readonly ledgerFile: string;
  readonly #rig: Rig;
  readonly #options: CaseOptions;
  readonly #children = new Set<ChildProcess>();
  #developer: Developer | null = null;

  constructor(rig: Rig, name: string, options: CaseOptions) {
    this.#rig = rig;
    this.name = name;
    this.directory = join(rig.directory, name);
    this.stateDir = join(this.directory, 'state');
    this.config = join(this.directory, 'sos-ci.yaml');
    this.ledgerFile = join(this.directory, 'ledger');
    this.#options = options;
  }

  async prepare(): Promise<void> {
    mkdirSync(this.directory);
    writeFileSync(this.ledgerFile, '');
    const script = (text: string) =>
      `#!/bin/sh\nnote() { echo "$SOS_CI_STAGE $$ $SOS_CI_ATTEMPT $*" >>'${this.ledgerFile}'; }\nnote began\n${text}`;
    const files = {
      'stack.sh': script(this.#options.stacking ?? 'sleep 0.1\n'),
      'test.sh': script(this.#options.testing ?? PASSING),
      README: 'a project\n',
    };
    await this.#rig.gerrit.createProject(this.name, files);
    this.#developer = new Developer(
      {
        directory: join(this.directory, 'clone'),
        url: `ssh://dev@127.0.0.1:${this.#rig.gerrit.port}/${this.name}`,
        keyFile: join(this.#rig.directory, 'dev.key'),
        knownHostsFile: join(this.#rig.directory, 'known_hosts'),
      },
      files,
    );
    await this.#developer.clone();
    writeFileSync(this.config, this.#yaml());
  }

  /** Pushes a change and returns its number. */
  async push(text = 'more\n'): Promise<number> {
    const { changes } = this.#rig.gerrit.site;
    const before = new Set(changes.keys());
    const subject = `${this.name}: ${text.trim()}`;
    await this.#developer?.push({ subject, edit: () => ({ README: text }) });
    const number = [...changes.keys()].find(
      (known) => !before.has(known) && changes.get(known)?.project === this.name,
    );
    if (number === undefined) throw new Error('the push made no change');
    return number;
  }

  /** Starts a daemon; resolves when it listens, or stands at its fault point, or has ended. */
  async startDaemon(fault: string | null = null): Promise<Daemon> {
    const faultFile = join(this.directory, `fault-${Math.random().toString(36).slice(2)}`);
    const child = spawn(process.execPath, [PROGRAM, 'daemon', '--config', this.config], {
      cwd: this.directory,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '/usr/bin:/bin',
        ...(fault === null ? {} : { SOS_CI_FAULT: fault, SOS_CI_FAULT_FILE: faultFile }),
      },
    });
    this.#children.add(child);
    const daemon = new Daemon(child, faultFile);
    const listening = this.#rig.gerrit.until(() => this.#rig.gerrit.streams > 0);
    await Promise.race([listening, daemon.standing(fault), daemon.ended]);
    return daemon;
  }

  /** Lines of the ledger that begin with this. */
  ledger(start = ''): readonly string[] {
    return readFileSync(this.ledgerFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && line.startsWith(start));
  }

  messages(change: number): readonly string[] {
    return this.#rig.gerrit.messages(change, ACCOUNT).map((message) => message.text);
  }

  until(test: () => boolean): Promise<void> {
    return this.#rig.gerrit.until(test);
  }

  jobs(): readonly JobView[] {
    if (!existsSync(join(this.stateDir, 'sos-ci.db'))) return [];
    const reader = openReader(join(this.stateDir, 'sos-ci.db'));
    try {
      return reader.jobs({ limit: 100 });
    } finally {
      reader.close();
    }
  }

  /** True when there was something to do and all of it has ended. */
  allEnded(): boolean {
    if (!existsSync(join(this.stateDir, 'sos-ci.db'))) return false;
    const reader = openReader(join(this.stateDir, 'sos-ci.db'));
    try {
      return (
        reader.jobs({ limit: 1 }).length > 0 &&
        reader.reviews({ open: true, limit: 1 }).length === 0 &&
        reader.jobs({ open: true, limit: 1 }).length === 0
      );
    } finally {
      reader.close();
    }
  }

  /** Waits until `test` holds; asked again whenever the state directory changes, and now and then. */
  async eventually(what: string, test: () => boolean | Promise<boolean>): Promise<void> {
    const end = Date.now() + 60_000;
    while (!(await test())) {
      if (Date.now() > end) throw new Error(`${this.name}: not within a minute: ${what}\n${this.tellAll()}`);
      await somethingChanges(this.stateDir, 200);
    }
  }

  /** What is left of servers, runs, staged evidence and marked processes. */
  async leftovers(): Promise<readonly string[]> {
    const processes = (await markedProcesses(this.stateDir)).map(
      ({ pid, command }) => `process ${pid} ${command}`,
    );
    const names = ['servers', 'runs', 'evidence'].flatMap((folder) =>
      existsSync(join(this.stateDir, folder))
        ? readdirSync(join(this.stateDir, folder)).map((name) => `${folder}/${name}`)
        : [],
    );
    return [...processes, ...names];
  }

  /** Differences between what is stored and what the log says: [] when all is sound. */
  unsound(): readonly string[] {
    const reader = openReader(join(this.stateDir, 'sos-ci.db'));
    try {
      const replayed = [...reader.histories()].map(
        (history) => replayHistory(reader.rows(history), sha256).difference,
      );
      const { differences, views } = verifyDatabase(this.stateDir);
      return [...replayed.filter((found) => found !== null), ...differences, ...views].map((one) =>
        JSON.stringify(one),
      );
    } finally {
      reader.close();
    }
  }

  /** For a failed wait: where every job stands, and what the daemons said. */
  tellAll(): string {
    return this.jobs()
      .map(({ id, state, verdict, reason }) => `${id} ${state} ${verdict} ${reason}`)
      .join('\n');
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const { pid } of await markedProcesses(this.stateDir)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }

  #yaml(): string {
    const { port } = this.#rig.gerrit;
    const { job = '', top = '', testTimeout = '30s' } = this.#options;
    return `stateDir: ${this.stateDir}
gerrit: {host: 127.0.0.1, port: ${port}, user: ${ACCOUNT}, key: ${this.#rig.directory}/ci.key,
  knownHosts: ${this.#rig.directory}/known_hosts, settle: 300ms, backoffMin: 50ms, backoffMax: 500ms}
report: {label: Verified, success: 1, failure: -1, postRetry: 100ms}
jobs:
  unit:
    project: ${this.name}
    stacking: {command: [sh, stack.sh], timeout: 20s}
    testing: {command: [sh, test.sh], timeout: ${testTimeout}, results: results.tap}
    limits: {setupRetry: 100ms, publishRetry: 100ms, cleanupRetry: 100ms}
${job}${top}`;
  }
}

export class Daemon {
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

  /** Resolves when it stands still at its fault point; never without one. */
  async standing(fault: string | null): Promise<void> {
    if (fault === null || fault === 'list') return new Promise(() => {});
    while (!existsSync(this.faultFile)) await somethingChanges(dirname(this.faultFile), 100);
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

/** Resolves at a change in the folder, or after `atMostMs`: what is waited for may happen elsewhere. */
function somethingChanges(folder: string, atMostMs: number): Promise<void> {
  return new Promise((resolve) => {
    const watcher = existsSync(folder) ? watch(folder, () => done()) : null;
    const timer = setTimeout(() => done(), atMostMs);
    function done(): void {
      clearTimeout(timer);
      watcher?.close();
      resolve();
    }
  });
}
