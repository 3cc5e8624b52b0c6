/**
 * A state directory for each test, with real servers and real stages. `close` kills the processes that are left,
 * which it finds by their command line and environment, and removes the directory.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { killGroup, removeGroup } from '../../../src/adapters/local/cgroup.ts';
import { LocalProvider, type LocalProviderOptions } from '../../../src/adapters/local/provider.ts';
import { LocalRunner, type LocalRunnerOptions } from '../../../src/adapters/local/runner.ts';
import { readTap } from '../../../src/adapters/results/tap.ts';
import { runDirectory } from '../../../src/adapters/run/run-directory.ts';
import type { EffectOf } from '../../../src/engine/ports/adapters.ts';
import type { Ownership, Patchset, Stage, StageSpec } from '../../../src/machines/model/domain.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { readProc } from '../../fixtures/proc.ts';

export type RunStage = EffectOf<'runStage'>;

export const PATCHSET: Patchset = {
  project: 'openstack/cinder',
  branch: 'stable/2025.2',
  change: 912345,
  patchset: 3,
  revision: 'a'.repeat(40),
  ref: 'refs/changes/45/912345/3',
  subject: 'Say $(touch evil) `touch evil`',
  owner: 'someone',
  url: '',
  topic: '',
};

/** Seconds, longer than any test. The fraction distinguishes our sleeping processes from those of other test files. */
export const FOR_EVER = `3600.${process.pid}`;

const TIMEOUT_MS = 20_000;
let numbers = 0;

export class Scratch {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'sos-ci-local-')));
  readonly stateDir = join(this.root, 'state');
  readonly provider = this.newProvider();

  newProvider(options: Partial<LocalProviderOptions> = {}): LocalProvider {
    const times = { graceMs: 300, killTimeoutMs: 20_000, deleteTimeoutMs: 120_000 };
    return new LocalProvider({ name: 'local', slots: 1, stateDir: this.stateDir, ...times, ...options });
  }

  runner(options: Partial<LocalRunnerOptions> = {}): LocalRunner {
    return new LocalRunner({
      stateDir: this.stateDir,
      readResults: (_format, chunks) => readTap(chunks),
      ...STAGE_BOUNDS,
      ...options,
    });
  }

  /** A stage with this command on a new server. */
  async request(
    argv: readonly string[],
    more: Partial<StageSpec> = {},
    stage: Stage = 'testing',
  ): Promise<RunStage> {
    numbers += 1;
    const owner: Ownership = { deployment: 'ours', job: `job-${process.pid}-${numbers}`, attempt: 1 };
    const signal = new AbortController().signal;
    const create = { type: 'createServer', key: 'c', provider: 'local', timeoutMs: 60_000 } as const;
    const server = await this.provider.create({ ...create, name: `server-${numbers}`, owner }, signal);
    const spec: StageSpec = { argv, timeoutMs: 120_000, outputLimitBytes: 1024 * 1024, ...more };
    return {
      type: 'runStage',
      key: 'r',
      run: { server, owner, stage },
      spec,
      patchset: PATCHSET,
      name: 'unit',
    };
  }

  /** A stage with this shell script; `$1` is the root directory of the test. */
  script(text: string, more: Partial<StageSpec> = {}, stage: Stage = 'testing'): Promise<RunStage> {
    return this.request(['sh', '-c', text, 'sh', this.root], more, stage);
  }

  directory(request: RunStage): string {
    return runDirectory(this.stateDir, request.run.owner, request.run.stage);
  }

  file(request: RunStage, name: string): Promise<string> {
    return readFile(join(this.directory(request), name), 'utf8');
  }

  /** Writes a file atomically. */
  async put(name: string, text: string): Promise<void> {
    await mkdir(this.root, { recursive: true });
    await writeFile(join(this.root, `${name}.part`), text);
    await rename(join(this.root, `${name}.part`), join(this.root, name));
  }

  async close(): Promise<void> {
    await killProcessesIn(this.root);
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Kills the processes that a test left in a directory. Repeats, because a killed one may have just started another. */
export async function killProcessesIn(root: string): Promise<void> {
  await until('the end of all processes of the test', () => {
    const left = [...processesOf(root), ...processesOf(`sleep\0${FOR_EVER}`)];
    for (const pid of left) kill(pid);
    return left.length === 0;
  });
  await removeGroups(root);
}

/** Removes the cgroups of runs that a test did not end properly. */
async function removeGroups(root: string): Promise<void> {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('/group'))) {
    const group = readFileSync(join(root, file), 'utf8').trim();
    if (!basename(group).startsWith('sos-ci-')) continue;
    killGroup(group);
    await until(`the end of ${group}`, async () => {
      await removeGroup(group);
      return !existsSync(group);
    });
  }
}

/** Polls until the answer is not false, null or undefined. */
export async function until<T>(
  what: string,
  poll: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const limit = Date.now() + TIMEOUT_MS;
  for (;;) {
    const answer = await poll();
    if (isPresent(answer)) return answer;
    if (Date.now() > limit) throw new Error(`still waiting for: ${what}`);
    await setTimeout(20);
  }
}

function isPresent<T>(answer: T): answer is Exclude<T, false | null | undefined> {
  return answer !== false && answer !== null && answer !== undefined;
}

/** Waits for the content of a file. */
export function written(file: string): Promise<string> {
  return until(`content of ${file}`, () => existsSync(file) && (readFileSync(file, 'utf8').trim() || null));
}

/** Other processes whose command line or environment contains this text. */
export function processesOf(text: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => `${readProc(pid, 'cmdline')}\n${readProc(pid, 'environ')}`.includes(text))
    .map(Number);
}

/** Whether the process runs and is not a zombie. */
export function isAlive(pid: number): boolean {
  return /^State:\t[^ZX]/m.test(readProc(pid, 'status'));
}

/** The session id of a process; '' if it has ended. */
export function sessionOf(pid: number): string {
  return readProc(pid, 'stat').split(') ')[1]?.split(' ')[3] ?? '';
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has already ended.
  }
}
