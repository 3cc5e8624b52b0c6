/**
 * One append through the whole product: submit, step, transaction, views, sync. Beside it the same bytes as one row of
 * a bare SQLite table and as one synced write to a file; on a database in use, and from the first append on a fresh one.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../src/adapters/sqlite/store.ts';
import type { NumberedRow } from '../src/engine/ports/store.ts';
import { type Fact, factsOf, recordJob } from './facts.ts';
import { house, inScratch, timerlessClock } from './house.ts';
import { BareFile, BareLog } from './limits.ts';
import { median, ms, pooled, type Result, type Round, ratioOf, timed } from './measure.ts';
import { silentWorld } from './world.ts';

export async function append(smoke: boolean): Promise<readonly Result[]> {
  const job = await recordJob();
  const [blocks, fresh] = smoke ? [2, 1] : [30, 5];
  return inScratch(async (folder) => {
    const used = await measure(place(folder, 'used'), job, blocks, smoke ? 1 : 8);
    const young: Round[] = [];
    for (let round = 0; round < fresh; round += 1) {
      const rounds = await measure(place(folder, `fresh-${round}`), job, smoke ? 1 : 5, 0);
      young.push({ product: pooled(rounds, 'product'), file: pooled(rounds, 'file') });
    }
    const p50 = (side: string, rounds: readonly Round[]) => ms(median(pooled(rounds, side)));
    return [
      {
        benchmark: 'append',
        what: 'one append through the whole product',
        against: 'bare better-sqlite3, FULL, the same bytes',
        ...ratioOf(used, 'product', 'bare'),
        note: `p50 ${p50('product', used)} and ${p50('bare', used)}, ${blocks * factsOf(job).length} appends`,
      },
      {
        benchmark: 'append',
        what: 'the same',
        against: 'write + fdatasync of the same bytes',
        ...ratioOf(used, 'product', 'file'),
        note: `p50 ${p50('product', used)} and ${p50('file', used)}`,
      },
      {
        benchmark: 'append',
        what: 'the first appends on a fresh database',
        against: 'write + fdatasync to a fresh file',
        ...ratioOf(young, 'product', 'file'),
        note: `p50 ${p50('product', young)} and ${p50('file', young)}; the first ${young[0]?.product?.length} of each`,
      },
    ];
  });
}

/** Blocks of one job's facts each; every fact goes to each side in turn. */
async function measure(
  folder: string,
  job: readonly NumberedRow[],
  blocks: number,
  warmUp: number,
): Promise<Round[]> {
  const store = openStore(join(folder, 'sos-ci.db'));
  const [bare, file] = [new BareLog(folder), new BareFile(folder)];
  const rounds: Round[] = [];
  try {
    for (let block = -warmUp; block < blocks; block += 1) {
      const taken = { product: [] as number[], bare: [] as number[], file: [] as number[] };
      // What a silent world leaves unanswered ends with its engine.
      const { engine } = house(store, silentWorld(), timerlessClock);
      for (const fact of factsOf(job)) {
        taken.product.push(await submit(engine, fact));
        taken.bare.push(bare.append(fact.rows));
        taken.file.push(file.append(fact.rows));
      }
      engine.halt();
      if (block >= 0) rounds.push(taken);
    }
    return rounds;
  } finally {
    store.close();
    bare.close();
    file.close();
  }
}

function submit(engine: ReturnType<typeof house>['engine'], { submissions }: Fact): Promise<number> {
  return timed(() => engine.submit(submissions));
}

function place(folder: string, name: string): string {
  const made = join(folder, name);
  mkdirSync(made);
  return made;
}
