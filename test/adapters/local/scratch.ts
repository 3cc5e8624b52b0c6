/**
 * A state directory of its own for each test, with real servers and real stages in it. `close` ends and removes
 * whatever is left, found by what it carries.
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

/** Seconds, longer than any test waits; its fraction tells our sleeping processes from those of other test files. */
export const FOR_EVER = `3600.${process.pid}`;

const PATIENCE_MS = 20_000;
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

  /** A stage with this command, on a server of its own. */
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

  /** The same with a shell script; `$1` is the test's root directory. */
  script(text: string, more: Partial<StageSpec> = {}, stage: Stage = 'testing'): Promise<RunStage> {
    return this.request(['sh', '-c', text, 'sh', this.root], more, stage);
  }

  directory(request: RunStage): string {
    return runDirectory(this.stateDir, request.run.owner, request.run.stage);
  }

  file(request: RunStage, name: string): Promise<string> {
    return readFile(join(this.directory(request), name), 'utf8');
  }

  /** Appears whole. */
  async put(name: string, text: string): Promise<void> {
    await mkdir(this.root, { recursive: true });
    await writeFile(join(this.root, `${name}.part`), text);
    await rename(join(this.root, `${name}.part`), join(this.root, name));
  }

  async close(): Promise<void> {
    await endAllIn(this.root);
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Ends what a test has left in a directory. What is killed may just have started another, which would write there. */
export async function endAllIn(root: string): Promise<void> {
  await until('the end of all that a test has left', () => {
    const left = [...processesOf(root), ...processesOf(`sleep\0${FOR_EVER}`)];
    for (const pid of left) kill(pid);
    return left.length === 0;
  });
  await removeGroups(root);
}

/** The cgroups of runs that a test did not let end as they should. */
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

/** Resolves to the first answer that is not false, null or undefined. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const limit = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await look();
    if (isThere(answer)) return answer;
    if (Date.now() > limit) throw new Error(`still waiting for: ${what}`);
    await setTimeout(20);
  }
}

function isThere<T>(answer: T): answer is Exclude<T, false | null | undefined> {
  return answer !== false && answer !== null && answer !== undefined;
}

/** The content of a file that something else is about to write. */
export function written(file: string): Promise<string> {
  return until(`content of ${file}`, () => existsSync(file) && (readFileSync(file, 'utf8').trim() || null));
}

/** Living processes whose command line or environment speaks of this text; not ourselves. */
export function processesOf(text: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => `${readProc(pid, 'cmdline')}\n${readProc(pid, 'environ')}`.includes(text))
    .map(Number);
}

/** Not ended and not a zombie. */
export function isAlive(pid: number): boolean {
  return /^State:\t[^ZX]/m.test(readProc(pid, 'status'));
}

/** '' once it is gone. */
export function sessionOf(pid: number): string {
  return readProc(pid, 'stat').split(') ')[1]?.split(' ')[3] ?? '';
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
