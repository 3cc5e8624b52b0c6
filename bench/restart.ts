/**
 * Measures recovery after a crash with many open jobs: opens the store, restores all histories, sets all timers and
 * requests all pending effects again. Its limit is a bare read of the rows of those histories.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { openStore } from '../src/adapters/sqlite/store.ts';
import { recover } from '../src/engine/loop/recover.ts';
import { instantAdapters, silentAdapters } from './adapters.ts';
import { factsOf, recordJob } from './facts.ts';
import { inTurns, median, ms, pooled, type Result, ratioOf, timed, timedSync } from './measure.ts';
import { createSystem, timerlessClock, withScratchDirectory } from './system.ts';

export async function restart(smoke: boolean): Promise<readonly Result[]> {
  return [smoke ? await measureRecovery(50, 2) : await measureRecovery(1_000, 9)];
}

/** Takes minutes, most of them to create the jobs, so it runs only when named. */
export async function restartLarge(smoke: boolean): Promise<readonly Result[]> {
  return [smoke ? await measureRecovery(100, 2) : await measureRecovery(10_000, 5)];
}

async function measureRecovery(jobs: number, rounds: number): Promise<Result> {
  return withScratchDirectory(async (directory) => {
    const crashed = join(directory, 'crashed.db');
    const rows = await createCrashed(directory, crashed, jobs);
    const file = join(directory, 'sos-ci.db');
    const measured = await inTurns(rounds, {
      recover: async () => {
        for (const part of ['', '-wal']) copyFileSync(`${crashed}${part}`, `${file}${part}`);
        const time = await recovered(file, jobs);
        for (const part of ['', '-wal', '-shm']) rmSync(`${file}${part}`, { force: true });
        return time;
      },
      read: () => timedSync(() => readRows(crashed, rows)),
    });
    const time = (side: string) => ms(median(pooled(measured, side)));
    return {
      benchmark: 'restart',
      what: `ready again with ${jobs} open jobs`,
      against: 'bare read of their rows',
      ...ratioOf(measured, 'recover', 'read'),
      note: `${time('recover')} and ${time('read')}; ${rows} rows`,
    };
  });
}

/** Creates the database of a daemon that crashed while the tests of these jobs ran. Returns its number of rows. */
async function createCrashed(directory: string, crashed: string, jobs: number): Promise<number> {
  const recorded = await recordJob();
  const testing = recorded.findIndex(
    ({ type, data }) => type === 'stage.started' && data.stage === 'testing',
  );
  const facts = recorded.slice(0, testing + 1);
  const file = join(directory, 'daemon.db');
  const store = openStore(file);
  try {
    for (let done = 0; done < jobs; done += BATCH) {
      const { engine } = createSystem(store, silentAdapters(), timerlessClock);
      const batch = Array.from({ length: Math.min(BATCH, jobs - done) }, () => factsOf(facts));
      for (let index = 0; index < (batch[0]?.length ?? 0); index += 1) {
        await Promise.all(batch.map((job) => engine.submit(job[index]?.submissions ?? [])));
      }
      engine.halt();
    }
    // Copies the WAL too, as after a crash: closing the store would checkpoint it into the database.
    for (const part of ['', '-wal']) copyFileSync(`${file}${part}`, `${crashed}${part}`);
    return jobs * facts.length;
  } finally {
    store.close();
  }
}

const BATCH = 250;
/** Histories of one job: the job, its review, and the verdicts of its change. */
const HISTORIES = 3;

async function recovered(file: string, jobs: number): Promise<number> {
  let store: ReturnType<typeof openStore> | null = null;
  const adapters = instantAdapters({ slots: jobs, stagesEnd: false });
  try {
    return await timed(async () => {
      store = openStore(file);
      const system = createSystem(store, adapters, timerlessClock);
      const { histories } = await recover(system.engine, store);
      system.engine.halt();
      if (histories !== HISTORIES * jobs)
        throw new Error(`${histories} histories instead of ${HISTORIES * jobs}`);
    });
  } finally {
    (store as ReturnType<typeof openStore> | null)?.close();
  }
}

function readRows(file: string, expected: number): void {
  const database = new Sqlite(file, { readonly: true });
  const rows = database.prepare('SELECT * FROM event ORDER BY seq').all();
  database.close();
  if (rows.length !== expected) throw new Error(`${rows.length} rows instead of ${expected}`);
}
