/**
 * Jobs and reviews end in any order and at any time, normally, by an event of Gerrit or by an internal error, while
 * daemons die: once idle, no effect is pending and no server is left.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { LONG, runs } from '../fixtures/effort.ts';
import { jobSpec } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { abandoned, created, FIRST } from './gerrit-events.ts';

const ENDINGS = ['abandon', 'supersede', 'breakJob', 'breakOtherJob', 'breakReview', 'kill'] as const;
type Ending = (typeof ENDINGS)[number];

const broken: AnyEvent = {
  type: 'machine.quarantine-failed',
  event: 'timer.fired',
  message: 'undefined is not a function',
};
const NAMES: Readonly<Partial<Record<Ending, string>>> = {
  breakReview: 'r00001',
  breakJob: 'j00002',
  breakOtherJob: 'j00003',
};

function end(ci: CiHarness, ending: Ending): void {
  const history = NAMES[ending];
  if (ending === 'kill') ci.daemon.life.end();
  else if (ending === 'abandon') ci.emit(abandoned());
  else if (ending === 'supersede') ci.emit(created(FIRST, 2));
  else if (history !== undefined && ci.store.stored(history) !== null) {
    // Never resolves if the daemon dies meanwhile.
    void ci.daemon.engine.send(history, broken);
  }
}

/** Applies the endings after the batches with these numbers, then runs until idle. */
async function runWithEndings(
  endings: ReadonlyMap<number, Ending>,
  crashAt: readonly number[],
  downtimeMs: number,
) {
  const ci = new CiHarness({
    slots: 2,
    downtimeMs,
    specs: [jobSpec({ name: 'one' }), jobSpec({ name: 'two' })],
    report: { startMessage: true },
  });
  ci.crashAt = crashAt;
  let batches = 0;
  ci.onDurable = () => {
    batches += 1;
    const ending = endings.get(batches);
    if (ending !== undefined) setImmediate(() => end(ci, ending));
  };
  await ci.start();
  ci.emit(created());
  await ci.run();
  // A broken job needs two sweeps for its server, and two more for its files on this host.
  for (let sweeps = 0; sweeps < 5; sweeps += 1) {
    await ci.clock.advance(650_000);
    await ci.run();
  }
  return ci;
}

test('an idle daemon has no pending effects and no leftovers', LONG, async () => {
  const endings = fc.uniqueArray(fc.tuple(fc.integer({ min: 2, max: 45 }), fc.constantFrom(...ENDINGS)), {
    minLength: 1,
    maxLength: 4,
    selector: ([batch]) => batch,
  });
  const crashes = fc.array(fc.nat(160), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(endings, crashes, fc.constantFrom(0, 600_000), async (planned, crashAt, downtimeMs) => {
      const ci = await runWithEndings(new Map(planned), crashAt, downtimeMs);
      expect(ci.store.outbox().map(({ history, key }) => `${history} ${key}`)).toEqual([]);
      expect(ci.provider.servers()).toEqual([]);
      expect(ci.runner.running()).toEqual([]);
      expect(await ci.evidence.held()).toEqual([]);
      expect(ci.crashes).toEqual([]);
      ci.store.close();
    }),
    { numRuns: runs(40), seed: 20_261_128 },
  );
});
