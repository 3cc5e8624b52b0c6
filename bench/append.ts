/**
 * Measures one append through the whole product (submit, step, transaction, views, sync) against the same bytes as one
 * row of a bare SQLite table and as one synced write to a file, on a used database and on a new one.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../src/adapters/sqlite/store.ts';
import type { NumberedRow } from '../src/engine/ports/store.ts';
import { silentAdapters } from './adapters.ts';
import { type Fact, factsOf, recordJob } from './facts.ts';
import { BareFile, BareLog } from './limits.ts';
import { median, ms, pooled, type Result, type Round, ratioOf, timed } from './measure.ts';
import { createSystem, timerlessClock, withScratchDirectory } from './system.ts';

export async function append(smoke: boolean): Promise<readonly Result[]> {
  const job = await recordJob();
  const [blocks, newDatabases] = smoke ? [2, 1] : [30, 5];
  return withScratchDirectory(async (directory) => {
    const onUsed = await measure(makeDirectory(directory, 'onUsed'), job, blocks, smoke ? 1 : 8);
    const onNew: Round[] = [];
    for (let round = 0; round < newDatabases; round += 1) {
      const rounds = await measure(makeDirectory(directory, `newDatabases-${round}`), job, smoke ? 1 : 5, 0);
      onNew.push({ product: pooled(rounds, 'product'), file: pooled(rounds, 'file') });
    }
    const p50 = (side: string, rounds: readonly Round[]) => ms(median(pooled(rounds, side)));
    return [
      {
        benchmark: 'append',
        what: 'one append through the whole product',
        against: 'bare better-sqlite3, FULL, the same bytes',
        ...ratioOf(onUsed, 'product', 'bare'),
        note: `p50 ${p50('product', onUsed)} and ${p50('bare', onUsed)}, ${blocks * factsOf(job).length} appends`,
      },
      {
        benchmark: 'append',
        what: 'the same',
        against: 'write + fdatasync of the same bytes',
        ...ratioOf(onUsed, 'product', 'file'),
        note: `p50 ${p50('product', onUsed)} and ${p50('file', onUsed)}`,
      },
      {
        benchmark: 'append',
        what: 'the first appends on a new database',
        against: 'write + fdatasync to a new file',
        ...ratioOf(onNew, 'product', 'file'),
        note: `p50 ${p50('product', onNew)} and ${p50('file', onNew)}; the first ${onNew[0]?.product?.length} of each`,
      },
    ];
  });
}

/** A block appends the facts of one job; each fact goes to the product, the table and the file in turn. */
async function measure(
  directory: string,
  job: readonly NumberedRow[],
  blocks: number,
  warmUp: number,
): Promise<Round[]> {
  const store = openStore(join(directory, 'sos-ci.db'));
  const [bare, file] = [new BareLog(directory), new BareFile(directory)];
  const rounds: Round[] = [];
  try {
    for (let block = -warmUp; block < blocks; block += 1) {
      const round = { product: [] as number[], bare: [] as number[], file: [] as number[] };
      // Effects stay pending because the adapters never answer, so each block has its own engine.
      const { engine } = createSystem(store, silentAdapters(), timerlessClock);
      for (const fact of factsOf(job)) {
        round.product.push(await submit(engine, fact));
        round.bare.push(bare.append(fact.rows));
        round.file.push(file.append(fact.rows));
      }
      engine.halt();
      if (block >= 0) rounds.push(round);
    }
    return rounds;
  } finally {
    store.close();
    bare.close();
    file.close();
  }
}

function submit(engine: ReturnType<typeof createSystem>['engine'], { submissions }: Fact): Promise<number> {
  return timed(() => engine.submit(submissions));
}

function makeDirectory(directory: string, name: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
}
