/** Assembles engine and admission like src/app/daemon.ts, with the given adapters; and a scratch directory. */
import { randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../src/adapters/clock/system.ts';
import { sha256 } from '../src/app/database-admin.ts';
import { Admission } from '../src/engine/intake/admission.ts';
import { idMaker } from '../src/engine/intake/ids.ts';
import { Engine } from '../src/engine/loop/engine.ts';
import type { Adapters, Clock } from '../src/engine/ports/adapters.ts';
import type { LogEntry, Store } from '../src/engine/ports/store.ts';
import type { Log } from '../src/log.ts';
import { jobSpec, preparePlan, reportSpec } from '../test/machines/facts.ts';
import { jobRules, triggerRules } from '../test/machines/rule-facts.ts';

/** The system clock without timers, so that thousands of pending deadlines cost nothing. */
export const timerlessClock: Clock = { ...systemClock, after: () => () => {} };

export const newId = idMaker(() => randomInt(32));

export interface BenchSystem {
  readonly engine: Engine;
  readonly admission: Admission;
}

export function createSystem(
  store: Store,
  adapters: Adapters,
  clock: Clock,
  onAppended: (batch: readonly LogEntry[]) => void = () => {},
): BenchSystem {
  const engine = new Engine({
    store,
    adapters,
    clock,
    hash: sha256,
    bounds: { storeRetryMs: 1_000, maxTransactionEvents: 256, adapterGraceMs: 5_000, deleteRounds: 3 },
    strict: false,
    onStoreFailure: () => {},
    onAppended,
    onFatal: (error) => {
      throw error;
    },
  });
  const spec = jobSpec();
  const admission = new Admission({
    engine,
    store,
    clock,
    alarms: adapters.alarms,
    log: SILENT,
    newId,
    rules: triggerRules({ jobs: [jobRules({ name: spec.name })] }),
    specs: new Map([[spec.name, spec]]),
    plan: preparePlan({ onlyCurrent: false }),
    report: reportSpec(),
    mail: null,
    pipeline: 'check',
    deployment: 'bench',
    queueLength: 1_000_000,
    onSlotsFree: () => {},
    headStartsMs: {},
    starts: true,
  });
  return { engine, admission };
}

/** Runs `work` with a directory below the checkout: /tmp may be a RAM disk, where syncing costs nothing. */
export async function withScratchDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const root = join(process.cwd(), '.cache');
  mkdirSync(root, { recursive: true });
  const directory = mkdtempSync(join(root, 'bench-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export const SILENT: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => SILENT,
};
