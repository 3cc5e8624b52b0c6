/**
 * Measures sos-ci's overhead for one job: from Gerrit's event to the end of job and review, with adapters that answer
 * at once. Its limit is appending the same rows one by one to a bare SQLite table.
 */
import { join } from 'node:path';
import { systemClock } from '../src/adapters/clock/system.ts';
import { openStore } from '../src/adapters/sqlite/store.ts';
import { instantAdapters } from './adapters.ts';
import { factsOf, recordJob, wholeJob } from './facts.ts';
import { BareLog } from './limits.ts';
import { inTurns, median, ms, pooled, quantile, type Result, ratioOf, timed } from './measure.ts';
import { createSystem, withScratchDirectory } from './system.ts';

export async function jobDelay(smoke: boolean): Promise<readonly Result[]> {
  const rows = factsOf(await recordJob()).flatMap((fact) => fact.rows);
  const [jobs, warmUp] = smoke ? [3, 1] : [80, 20];
  return withScratchDirectory(async (directory) => {
    const store = openStore(join(directory, 'sos-ci.db'));
    const bare = new BareLog(directory);
    let transactions = 0;
    let appended = () => {};
    const system = createSystem(store, instantAdapters({ slots: 1, stagesEnd: true }), systemClock, () => {
      transactions += 1;
      appended();
    });
    const runJob = (change: number) =>
      wholeJob(system, change, (listener) => {
        appended = listener;
      });
    try {
      for (let job = 0; job < warmUp; job += 1) await runJob(job + 1);
      transactions = 0;
      const rounds = await inTurns(jobs, {
        job: (round) => timed(() => runJob(warmUp + round + 1)),
        bare: () => rows.reduce((sum, row) => sum + bare.append([row]), 0),
      });
      const times = pooled(rounds, 'job');
      return [
        {
          benchmark: 'job-delay',
          what: "sos-ci's own overhead for one job",
          against: `the same number of bare FULL appends (${rows.length})`,
          ...ratioOf(rounds, 'job', 'bare'),
          note:
            `p50 ${ms(median(times))} and ${ms(median(pooled(rounds, 'bare')))}, p99 ${ms(quantile(times, 0.99))}; ` +
            `${rows.length} rows in ${(transactions / jobs).toFixed(1)} transactions`,
        },
      ];
    } finally {
      await system.engine.stop();
      store.close();
      bare.close();
    }
  });
}
