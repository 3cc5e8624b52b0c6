/** The bundled program, as it is released, for one test file; and a store on disk. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../src/adapters/sqlite/store.ts';
import { sha256 } from '../../src/app/database-admin.ts';
import { toLogEntry } from '../../src/engine/loop/projections.ts';
import type { Store } from '../../src/engine/ports/store.ts';
import type { JobSpec, Patchset } from '../../src/machines/model/domain.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import type { HistorySnapshot, LogRow } from '../../src/machines/protocol/row.ts';
import { step } from '../../src/machines/step.ts';
import { ROOT } from '../house/source.ts';

export interface RunResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class Program {
  /** Inside the checkout, so that packages that are not bundled are found. */
  private readonly directory: string;

  constructor() {
    mkdirSync(join(ROOT, '.cache'), { recursive: true });
    this.directory = mkdtempSync(join(ROOT, '.cache', 'test-program-'));
    const code = `
      import { bundle } from ${JSON.stringify(join(ROOT, 'scripts', 'bundle.mjs'))};
      await bundle({
        entries: { 'cli/main': ${JSON.stringify(join(ROOT, 'src', 'cli', 'main.ts'))} },
        outdir: ${JSON.stringify(this.directory)},
        chunks: 'cli/[name]-[hash]',
        urlOf: () => 'import.meta.url',
      });`;
    const built = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`the program cannot be bundled: ${built.stderr}`);
  }

  get main(): string {
    return join(this.directory, 'cli', 'main.js');
  }

  run(args: readonly string[], cwd: string, environment: Record<string, string> = {}): RunResult {
    const { PATH = '', HOME = '' } = process.env;
    const done = spawnSync(process.execPath, [this.main, ...args], {
      cwd,
      env: { PATH, HOME, ...environment },
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

export const JOB_ID = 'j1m2n3p4q5abcdefg';

/** Computes recorded rows again from their events and appends them, those before the row `from` without appending. */
export async function appendRows(store: Store, rows: readonly LogRow[], from = 0): Promise<void> {
  const states = new Map<string, HistorySnapshot>();
  for (const [index, row] of rows.entries()) {
    const before = states.get(row.history) ?? null;
    const event = { ...row.data, type: row.type } as unknown as AnyEvent;
    const stepped = step(before, { ...row, event }, sha256);
    states.set(row.history, stepped.stored);
    if (index >= from) await store.append([toLogEntry(before, stepped)]);
  }
}

/** A database with one open job. */
export async function makeStore(stateDir: string, name = 'acme-dsvm'): Promise<void> {
  mkdirSync(stateDir, { recursive: true });
  const store = openStore(join(stateDir, 'sos-ci.db'));
  const patchset: Patchset = {
    project: 'openstack/cinder',
    branch: 'master',
    change: 912345,
    patchset: 3,
    revision: 'a'.repeat(40),
    ref: 'refs/changes/45/912345/3',
    subject: 'Attach \u001b[2J faster',
    owner: 'dev',
    url: '',
    topic: '',
  };
  const spec = {
    name,
    pipeline: 'check',
    provider: 'local',
    limits: { queueTimeoutMs: 1000, bootTimeoutMs: 1000, setupAttempts: 2 },
  } as unknown as JobSpec;
  const events: readonly AnyEvent[] = [
    { type: 'job.accepted', job: JOB_ID, review: 'r1', deployment: 'd', patchset, spec },
    { type: 'job.ready', trees: [] },
    { type: 'slot.granted' },
  ];
  let before: HistorySnapshot | null = null;
  for (const [index, event] of events.entries()) {
    const settles = event.type === 'slot.granted' ? 'slot' : null;
    const at = Date.parse('2026-11-22T17:00:00Z') + index;
    const happening = { history: JOB_ID, machine: 'job@1', event, at, settles, causationId: null } as const;
    const stepped: ReturnType<typeof step> = step(before, happening, sha256);
    await store.append([toLogEntry(before, stepped)]);
    before = stepped.stored;
  }
  store.close();
}
