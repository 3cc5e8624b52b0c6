/**
 * A whole job's own delay: from Gerrit's event to the end of job and review, with a world that answers at once. What is
 * left is ours. Its limit is its own number of rows, each appended alone to a bare SQLite table with the same bytes.
 */
import { join } from 'node:path';
import { systemClock } from '../src/adapters/clock/system.ts';
import { openStore } from '../src/adapters/sqlite/store.ts';
import { factsOf, recordJob, wholeJob } from './facts.ts';
import { house, inScratch } from './house.ts';
import { BareLog } from './limits.ts';
import { inTurns, median, ms, pooled, quantile, type Result, ratioOf, timed } from './measure.ts';
import { instantWorld } from './world.ts';

export async function jobDelay(smoke: boolean): Promise<readonly Result[]> {
  const rows = factsOf(await recordJob()).flatMap((fact) => fact.rows);
  const [jobs, warmUp] = smoke ? [3, 1] : [80, 20];
  return inScratch(async (folder) => {
    const store = openStore(join(folder, 'sos-ci.db'));
    const bare = new BareLog(folder);
    let transactions = 0;
    let appended = () => {};
    const lab = house(store, instantWorld({ slots: 1, stagesEnd: true }), systemClock, () => {
      transactions += 1;
      appended();
    });
    const whole = (change: number) =>
      wholeJob(lab, change, (appendedAt) => {
        appended = appendedAt;
      });
    try {
      for (let job = 0; job < warmUp; job += 1) await whole(job + 1);
      transactions = 0;
      const rounds = await inTurns(jobs, {
        job: (round) => timed(() => whole(warmUp + round + 1)),
        bare: () => rows.reduce((sum, row) => sum + bare.append([row]), 0),
      });
      const times = pooled(rounds, 'job');
      return [
        {
          benchmark: 'job-delay',
          what: 'own delay of a whole job',
          against: `its own number of bare FULL appends (${rows.length})`,
          ...ratioOf(rounds, 'job', 'bare'),
          note:
            `p50 ${ms(median(times))} and ${ms(median(pooled(rounds, 'bare')))}, p99 ${ms(quantile(times, 0.99))}; ` +
            `${rows.length} rows in ${(transactions / jobs).toFixed(1)} transactions`,
        },
      ];
    } finally {
      await lab.engine.stop();
      store.close();
      bare.close();
    }
  });
}
