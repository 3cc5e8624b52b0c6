/**
 * Jobs and reviews that end in any order and at any moment, by themselves, by Gerrit's word or by an error of our own,
 * while daemons die: at rest nothing is owed and no server is left.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { LONG, runs } from '../fixtures/effort.ts';
import { jobSpec } from '../machines/facts.ts';
import { abandoned, created, FIRST } from './gerrit-says.ts';
import { Lab } from './lab.ts';

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

function end(lab: Lab, ending: Ending): void {
  const history = NAMES[ending];
  if (ending === 'kill') lab.daemon.life.end();
  else if (ending === 'abandon') lab.say(abandoned());
  else if (ending === 'supersede') lab.say(created(FIRST, 2));
  else if (history !== undefined && lab.store.stored(history) !== null) {
    // A daemon that dies meanwhile never answers.
    void lab.daemon.engine.send(history, broken);
  }
}

/** Ends the n-th of what becomes durable in the given way, and after that as the world goes. */
async function lived(endings: ReadonlyMap<number, Ending>, crashAt: readonly number[], deadMs: number) {
  const lab = new Lab({
    slots: 2,
    deadMs,
    specs: [jobSpec({ name: 'one' }), jobSpec({ name: 'two' })],
    report: { startMessage: true },
  });
  lab.crashAt = crashAt;
  let batches = 0;
  lab.onDurable = () => {
    batches += 1;
    const ending = endings.get(batches);
    if (ending !== undefined) setImmediate(() => end(lab, ending));
  };
  await lab.start();
  lab.say(created());
  await lab.run();
  // What a broken job left: two sweeps for its server, two more for what lies on this host.
  for (let sweeps = 0; sweeps < 5; sweeps += 1) {
    await lab.clock.advance(650_000);
    await lab.run();
  }
  return lab;
}

test('an idle daemon has no pending effects and no leftovers', LONG, async () => {
  const endings = fc.uniqueArray(fc.tuple(fc.integer({ min: 2, max: 45 }), fc.constantFrom(...ENDINGS)), {
    minLength: 1,
    maxLength: 4,
    selector: ([batch]) => batch,
  });
  const crashes = fc.array(fc.nat(160), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(endings, crashes, fc.constantFrom(0, 600_000), async (planned, crashAt, deadMs) => {
      const lab = await lived(new Map(planned), crashAt, deadMs);
      expect(lab.store.outbox().map(({ history, key }) => `${history} ${key}`)).toEqual([]);
      expect(lab.provider.servers()).toEqual([]);
      expect(lab.runner.running()).toEqual([]);
      expect(await lab.evidence.held()).toEqual([]);
      expect(lab.crashes).toEqual([]);
      lab.store.close();
    }),
    { numRuns: runs(40), seed: 20_261_128 },
  );
});
