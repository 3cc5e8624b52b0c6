/**
 * One case: a project, a state directory and daemons that it does not share. Its stages write to a ledger outside of
 * the daemon's directories, so that the stages that really began can be counted.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openReader } from '../../src/adapters/sqlite/reader.ts';
import { sha256, verifyDatabase } from '../../src/app/database-admin.ts';
import { Developer } from '../../src/demo/developer.ts';
import { markedProcesses } from '../../src/demo/observer.ts';
import type { JobView } from '../../src/engine/ports/store.ts';
import { replayHistory } from '../../src/machines/replay.ts';
import { DaemonProcess } from './daemon-process.ts';
import type { Testbed } from './testbed.ts';
import { eventually } from './waiting.ts';

export const ACCOUNT = 'acme-ci';
const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface CaseOptions {
  /** Shell text of the two stages; `note` writes a line to the ledger. */
  readonly stacking?: string;
  readonly testing?: string;
  /** The lines of both stages, instead of `stacking` and `testing`; indented by four. */
  readonly stages?: string;
  /** More lines for the job, indented by four, and for the top level. */
  readonly job?: string;
  readonly top?: string;
  readonly testTimeout?: string;
  /** A playbook that runs instead of `testing`; it finds the script as test.sh. */
  readonly playbook?: string;
  /** As in the configuration; by default a TAP file. */
  readonly results?: string;
  /** Lines of the configuration that define the provider; by default this host. */
  readonly provider?: (name: string) => string;
}

const PASSING_TEST = "sleep 0.2\nprintf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n";

export class TestCase {
  readonly name: string;
  readonly directory: string;
  readonly stateDir: string;
  readonly config: string;
  readonly ledgerFile: string;
  readonly #testbed: Testbed;
  readonly #options: CaseOptions;
  readonly #daemons: DaemonProcess[] = [];
  #developer: Developer | null = null;

  constructor(testbed: Testbed, name: string, options: CaseOptions) {
    this.#testbed = testbed;
    this.name = name;
    this.directory = join(testbed.directory, name);
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
      'test.sh': script(this.#options.testing ?? PASSING_TEST),
      README: 'a project\n',
    };
    await this.#testbed.gerrit.createProject(this.name, files);
    this.#developer = new Developer(
      {
        directory: join(this.directory, 'clone'),
        url: `ssh://dev@127.0.0.1:${this.#testbed.gerrit.port}/${this.name}`,
        keyFile: join(this.#testbed.directory, 'dev.key'),
        knownHostsFile: join(this.#testbed.directory, 'known_hosts'),
      },
      files,
    );
    await this.#developer.clone();
    writeFileSync(this.config, this.#yaml());
  }

  /** Pushes a change and returns its number. */
  async push(text = 'more\n'): Promise<number> {
    const { changes } = this.#testbed.gerrit.state;
    const before = new Set(changes.keys());
    const subject = `${this.name}: ${text.trim()}`;
    await this.#developer?.push({ subject, edit: () => ({ README: text }) });
    const number = [...changes.keys()].find(
      (known) => !before.has(known) && changes.get(known)?.project === this.name,
    );
    if (number === undefined) throw new Error('the push made no change');
    return number;
  }

  /** A further patchset of the change that was pushed last. */
  async amend(text: string): Promise<void> {
    const clone = join(this.directory, 'clone');
    writeFileSync(join(clone, 'README'), text);
    await git(clone, 'commit', '--quiet', '--all', '--amend', '--no-edit');
    await git(clone, 'push', '--quiet', 'origin');
  }

  /** Starts the only daemon; resolves when it listens, is suspended at its fault point, or has ended. */
  async startDaemon(fault: string | null = null, daysLater = 0): Promise<DaemonProcess> {
    const { gerrit } = this.#testbed;
    // The stream of a daemon that was just killed may still be open.
    await gerrit.until(() => gerrit.streams === 0);
    const daemon = this.spawnDaemon(fault, daysLater);
    await Promise.race([gerrit.until(() => gerrit.streams > 0), daemon.reached(fault), daemon.ended]);
    return daemon;
  }

  /** @param daysLater by how much its clock is ahead; only with a fault point, or `list` */
  spawnDaemon(fault: string | null = null, daysLater = 0): DaemonProcess {
    const faultFile = join(this.directory, `fault-${this.#daemons.length + 1}`);
    const program = fault === null ? [PROGRAM] : [this.#testbed.faultyProgram, fault, faultFile];
    const child = spawn(process.execPath, [...program, 'daemon', '--config', this.config], {
      cwd: this.directory,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin', FAULTY_DAYS_LATER: String(daysLater) },
    });
    const daemon = new DaemonProcess(child, faultFile);
    this.#daemons.push(daemon);
    return daemon;
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

  /** A file of the published evidence. */
  published(name: string): string {
    const logs = join(this.stateDir, 'logs');
    const found = readdirSync(logs, { recursive: true, encoding: 'utf8' }).find(
      (path) => basename(path) === name,
    );
    return found === undefined ? '' : readFileSync(join(logs, found), 'utf8');
  }

  /** Lines of the ledger that begin with this. */
  ledger(start = ''): readonly string[] {
    return readFileSync(this.ledgerFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && line.startsWith(start));
  }

  messages(change: number): readonly string[] {
    return this.#testbed.gerrit.messages(change, ACCOUNT).map((message) => message.text);
  }

  until(test: () => boolean): Promise<void> {
    return this.#testbed.gerrit.until(test);
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

  /** True once a daemon has recorded the time from which on it handles events. */
  hasIntakePosition(): boolean {
    if (!existsSync(join(this.stateDir, 'sos-ci.db'))) return false;
    const reader = openReader(join(this.stateDir, 'sos-ci.db'));
    try {
      return reader.intakePosition() !== null;
    } finally {
      reader.close();
    }
  }

  /** True once there was a job, and all jobs and reviews have ended. */
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

  /** Waits until `test` holds, within a minute. */
  async eventually(what: string, test: () => boolean | Promise<boolean>): Promise<void> {
    await eventually(`${this.name}: ${what}`, test, () => this.report());
  }

  /** Servers, runs, staged evidence and marked processes that still exist. */
  async leftovers(): Promise<readonly string[]> {
    const processes = (await markedProcesses(this.stateDir)).map(
      ({ pid, command }) => `process ${pid} ${command}`,
    );
    const names = ['servers', 'runs', 'evidence'].flatMap((directory) =>
      existsSync(join(this.stateDir, directory))
        ? readdirSync(join(this.stateDir, directory)).map((name) => `${directory}/${name}`)
        : [],
    );
    return [...processes, ...names];
  }

  /** Differences between the stored state and a replay of the log; [] if there are none. */
  async findInconsistencies(): Promise<readonly string[]> {
    const reader = openReader(join(this.stateDir, 'sos-ci.db'));
    try {
      const replayed = [...reader.histories()].map(
        (history) => replayHistory(reader.rows(history), sha256).difference,
      );
      const { differences, views } = await verifyDatabase(this.stateDir);
      return [...replayed.filter((found) => found !== null), ...differences, ...views].map((one) =>
        JSON.stringify(one),
      );
    } finally {
      reader.close();
    }
  }

  /** For a failed wait: the state of every job, and the logs of the daemons. */
  report(): string {
    const jobs = this.jobs().map(({ id, state, verdict, reason }) => `${id} ${state} ${verdict} ${reason}`);
    return [...jobs, ...this.#daemons.map((daemon) => daemon.log)].join('\n');
  }

  async close(): Promise<void> {
    for (const daemon of this.#daemons) daemon.signal('SIGKILL');
    for (const { pid } of await markedProcesses(this.stateDir)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has already ended.
      }
    }
  }

  #yaml(): string {
    const { port } = this.#testbed.gerrit;
    const { job = '', top = '', testTimeout = '30s', results = 'results.tap', playbook } = this.#options;
    const tests = playbook === undefined ? 'command: [sh, test.sh]' : `playbook: ${playbook}`;
    const stages =
      this.#options.stages ??
      `    stacking: {command: [sh, stack.sh], timeout: 20s}
    testing: {${tests}, timeout: ${testTimeout}, results: ${results}}
`;
    return `stateDir: ${this.stateDir}
gerrit: {host: 127.0.0.1, port: ${port}, user: ${ACCOUNT}, key: ${this.#testbed.directory}/ci.key,
  knownHosts: ${this.#testbed.directory}/known_hosts, postSettleTimeout: 300ms}
report: {label: Verified, success: 1, failure: -1}
jobs:
  unit:
    project: ${this.name}
${stages}    limits: {setupRetryDelay: 100ms}
${job}${top}${this.#options.provider?.(this.name) ?? ''}`;
  }
}

function git(directory: string, ...argv: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('git', argv, { cwd: directory }, (error) => (error === null ? resolve() : reject(error)));
  });
}
