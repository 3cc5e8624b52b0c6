/**
 * Anything may happen: several changes, each port failing at any time, stages that end in any way, newer patchsets,
 * abandoned changes, daemons that die anywhere and stay dead for a while. Whatever came of it, the promises hold.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RunOutcome } from '../../src/engine/ports/adapters.ts';
import type { Failure } from '../../src/machines/model/domain.ts';
import { LONG, runs } from '../fixtures/effort.ts';
import { failure } from '../machines/facts.ts';
import { abandoned, comment, created } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';

const CALLS = [
  'create',
  'list',
  'delete',
  'fetch',
  'start',
  'stop',
  'collect',
  'publish',
  'post',
  'readVotes',
] as const;
const ENDS: readonly RunOutcome[] = [
  { how: 'exited', code: 0 },
  { how: 'exited', code: 1 },
  { how: 'killed', signal: 9 },
  { how: 'timedOut' },
  { how: 'lost', why: 'the server is gone' },
];

const happening = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      change: fc.integer({ min: 1, max: 3 }),
      patchset: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('abandon' as const), change: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('recheck' as const), change: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      call: fc.constantFrom(...CALLS),
      retryable: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('kill' as const),
      deadMs: fc.constantFrom(0, 1_000, 600_000, 20_000_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(0, 1_000, 61_000, 400_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('jump' as const), ms: fc.constantFrom(-7_200_000, 7_200_000) }),
  },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

const FAILS: Readonly<Record<(typeof CALLS)[number], (lab: Lab, trouble: Failure) => void>> = {
  create: (lab, trouble) => lab.provider.failNext(trouble, 'create'),
  list: (lab, trouble) => lab.provider.failNext(trouble, 'list'),
  delete: (lab, trouble) => lab.provider.failNext(trouble, 'delete'),
  fetch: (lab, trouble) => lab.source.failNext(trouble),
  start: (lab, trouble) => lab.runner.failNext(trouble, 'start'),
  stop: (lab, trouble) => lab.runner.failNext(trouble, 'stop'),
  collect: (lab) => lab.evidence.failNext('collect'),
  publish: (lab) => lab.evidence.failNext('publish'),
  post: (lab, trouble) => lab.reviewer.failNext(trouble, 'post'),
  readVotes: (lab, trouble) => lab.reviewer.failNext(trouble, 'readVotes'),
};

async function happens(lab: Lab, what: Happening): Promise<void> {
  switch (what.do) {
    case 'create':
      return lab.say(created(what.change, what.patchset));
    case 'abandon':
      return lab.say(abandoned(what.change));
    case 'recheck':
      return lab.say(comment('recheck', 'alice', what.change));
    case 'fail':
      return FAILS[what.call](lab, failure(what.call, { retryable: what.retryable }));
    case 'kill':
      lab.daemon.life.end();
      await lab.clock.advance(what.deadMs);
      return lab.restart();
    case 'jump':
      return lab.clock.jump(what.ms);
    case 'wait':
      await lab.clock.advance(what.ms);
      return lab.untilIdle();
  }
}

test('the invariants hold whatever happens', LONG, async () => {
  const story = fc.record({
    happenings: fc.array(happening, { minLength: 3, maxLength: 20 }),
    ends: fc.array(fc.nat(ENDS.length - 1), { minLength: 1, maxLength: 8 }),
    slots: fc.integer({ min: 1, max: 2 }),
    crashAt: fc.array(fc.nat(250), { maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(story, async ({ happenings, ends, slots, crashAt }) => {
      let stages = 0;
      const lab = new Lab({
        slots,
        stage: () => {
          stages += 1;
          return { afterMs: 60_000, outcome: ENDS[ends[stages % ends.length] ?? 0] ?? { how: 'timedOut' } };
        },
      });
      lab.crashAt = crashAt;
      await lab.start();
      for (const what of happenings) {
        await happens(lab, what);
        await lab.untilIdle();
      }
      await lab.run();
      // What a failure of the provider left behind is found by two sweeps, but each failure that is still to come and
      // each death may cost another one.
      for (let sweeps = 0; sweeps < 2 + happenings.length + crashAt.length; sweeps += 1) {
        await lab.clock.advance(650_000);
        await lab.run();
      }
      expect(broken(lab)).toEqual([]);
      expect(lab.crashes).toEqual([]);
      const [success] = lab.jobs().filter(({ verdict, url }) => verdict === 'SUCCESS' && url === null);
      expect(success).toBeUndefined();
      lab.store.close();
    }),
    { seed: 20260102, numRuns: runs(120), endOnFailure: false },
  );
});
