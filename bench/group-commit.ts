/**
 * Measures 64 concurrent producers, each of which waits for its own append, against the same appends one after the
 * other, and how long the event loop is blocked meanwhile.
 */
import { join } from 'node:path';
import { openStore } from '../src/adapters/sqlite/store.ts';
import { silentAdapters } from './adapters.ts';
import { type Fact, factsOf, recordJob } from './facts.ts';
import { BareLog } from './limits.ts';
import { median, ms, quantile, type Result, spread, timed } from './measure.ts';
import { createSystem, timerlessClock, withScratchDirectory } from './system.ts';

const PRODUCERS = 64;

export async function groupCommit(smoke: boolean): Promise<readonly Result[]> {
  const recorded = await recordJob();
  const facts = factsOf(recorded).length;
  return withScratchDirectory(async (directory) => {
    const store = openStore(join(directory, 'sos-ci.db'));
    const bare = new BareLog(directory);
    const stalls: number[] = [];
    const appends: number[] = [];
    const ratios: number[] = [];
    try {
      for (let pass = 0; pass < (smoke ? 1 : 3); pass += 1) {
        const sequential = Array.from({ length: PRODUCERS }, () => factsOf(recorded));
        const concurrent = Array.from({ length: PRODUCERS }, () => factsOf(recorded));
        // Effects stay pending because the adapters never answer, so each pass has its own engine.
        const { engine } = createSystem(store, silentAdapters(), timerlessClock);
        // Each producer submits the next fact of its own job, because the facts of a job are ordered.
        for (let index = 0; index < (smoke ? 2 : facts); index += 1) {
          const one = await timed(async () => {
            for (const job of sequential) await engine.submit(fact(job, index).submissions);
          });
          const turns = recordGaps();
          const all = await timed(() =>
            Promise.all(concurrent.map((job) => engine.submit(fact(job, index).submissions))),
          );
          stalls.push(...turns.stop());
          appends.push(bare.append(fact(concurrent[0] ?? [], index).rows));
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
        what: `${PRODUCERS} concurrent producers, appends per second`,
        against: 'the same appends one after the other',
        ...spread(ratios),
        note: `${PRODUCERS} submissions in one transaction`,
      },
      {
        benchmark: 'group-commit',
        what: 'event loop blocked meanwhile, p99',
        against: 'one bare FULL append',
        ...spread([quantile(stalls, 0.99) / median(appends)]),
        note: `${ms(quantile(stalls, 0.99))}, bare append ${ms(median(appends))}`,
      },
    ];
  });
}

function fact(job: readonly Fact[], index: number): Fact {
  const found = job[index];
  if (found === undefined) throw new Error('a job has fewer facts');
  return found;
}

/** Records the time between turns of the event loop until it is stopped. */
function recordGaps(): { stop(): readonly number[] } {
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
      // The time since the last turn is a gap too.
      gaps.push(performance.now() - last);
      return gaps;
    },
  };
}
