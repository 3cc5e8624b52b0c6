/**
 * Sixty-four producers at the same time, each waiting for its own append, against the same appends one after the other;
 * and how long the event loop stands still meanwhile.
 */
import { join } from 'node:path';
import { openStore } from '../src/adapters/sqlite/store.ts';
import { type Fact, factsOf, recordJob } from './facts.ts';
import { house, inScratch, timerlessClock } from './house.ts';
import { BareLog } from './limits.ts';
import { median, ms, quantile, type Result, spread, timed } from './measure.ts';
import { silentWorld } from './world.ts';

const PRODUCERS = 64;

export async function groupCommit(smoke: boolean): Promise<readonly Result[]> {
  const recorded = await recordJob();
  const facts = factsOf(recorded).length;
  return inScratch(async (folder) => {
    const store = openStore(join(folder, 'sos-ci.db'));
    const bare = new BareLog(folder);
    const stalls: number[] = [];
    const appends: number[] = [];
    const ratios: number[] = [];
    try {
      for (let pass = 0; pass < (smoke ? 1 : 3); pass += 1) {
        const alone = Array.from({ length: PRODUCERS }, () => factsOf(recorded));
        const together = Array.from({ length: PRODUCERS }, () => factsOf(recorded));
        // What a silent world leaves unanswered ends with its engine.
        const { engine } = house(store, silentWorld(), timerlessClock);
        // Every producer tells its job's next fact; one job's facts have their order.
        for (let index = 0; index < (smoke ? 2 : facts); index += 1) {
          const one = await timed(async () => {
            for (const job of alone) await engine.submit(fact(job, index).submissions);
          });
          const turns = watchTurns();
          const all = await timed(() =>
            Promise.all(together.map((job) => engine.submit(fact(job, index).submissions))),
          );
          stalls.push(...turns.stop());
          appends.push(bare.append(fact(together[0] ?? [], index).rows));
          ratios.push(one / all);
        }
        engine.halt();
      }
    } finally {
      store.close();
      bare.close();
    }
    return [
      {
        benchmark: 'group-commit',
        what: `${PRODUCERS} producers at the same time, appends per second`,
        against: 'the same appends one after the other',
        ...spread(ratios),
        note: `${PRODUCERS} submissions in one transaction`,
      },
      {
        benchmark: 'group-commit',
        what: 'event loop stands still meanwhile, p99',
        against: 'one bare FULL append',
        ...spread([quantile(stalls, 0.99) / median(appends)]),
        note: `${ms(quantile(stalls, 0.99))} (aim: 3 ms), bare append ${ms(median(appends))}`,
      },
    ];
  });
}

function fact(job: readonly Fact[], index: number): Fact {
  const found = job[index];
  if (found === undefined) throw new Error('a job has fewer facts');
  return found;
}

/** Time between turns of the event loop, until it is stopped. */
function watchTurns(): { stop(): readonly number[] } {
  const gaps: number[] = [];
  let last = performance.now();
  let watching = true;
  const turn = () => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    if (watching) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop() {
      watching = false;
      // What stands still without any turn is a gap too.
      gaps.push(performance.now() - last);
      return gaps;
    },
  };
}
