/**
 * Random sequences: several changes, ports that fail at any time, stages that end in any way, newer patchsets,
 * abandoned changes, daemons that die at any point and stay dead for a while. The invariants hold in all of them.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RunOutcome } from '../../src/engine/ports/adapters.ts';
import type { Failure } from '../../src/machines/model/domain.ts';
import { LONG, runs } from '../fixtures/effort.ts';
import { failure } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { abandoned, comment, created } from './gerrit-events.ts';
import { violations } from './violations.ts';

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

const step = fc.oneof(
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
      downtimeMs: fc.constantFrom(0, 1_000, 600_000, 20_000_000),
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
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const FAILS: Readonly<Record<(typeof CALLS)[number], (ci: CiHarness, trouble: Failure) => void>> = {
  create: (ci, trouble) => ci.provider.failNext(trouble, 'create'),
  list: (ci, trouble) => ci.provider.failNext(trouble, 'list'),
  delete: (ci, trouble) => ci.provider.failNext(trouble, 'delete'),
  fetch: (ci, trouble) => ci.source.failNext(trouble),
  start: (ci, trouble) => ci.runner.failNext(trouble, 'start'),
  stop: (ci, trouble) => ci.runner.failNext(trouble, 'stop'),
  collect: (ci) => ci.evidence.failNext('collect'),
  publish: (ci) => ci.evidence.failNext('publish'),
  post: (ci, trouble) => ci.reviewer.failNext(trouble, 'post'),
  readVotes: (ci, trouble) => ci.reviewer.failNext(trouble, 'readVotes'),
};

async function perform(ci: CiHarness, what: Step): Promise<void> {
  switch (what.do) {
    case 'create':
      return ci.emit(created(what.change, what.patchset));
    case 'abandon':
      return ci.emit(abandoned(what.change));
    case 'recheck':
      return ci.emit(comment('recheck', 'alice', what.change));
    case 'fail':
      return FAILS[what.call](ci, failure(what.call, { retryable: what.retryable }));
    case 'kill':
      ci.daemon.life.end();
      await ci.clock.advance(what.downtimeMs);
      return ci.restart();
    case 'jump':
      return ci.clock.jump(what.ms);
    case 'wait':
      await ci.clock.advance(what.ms);
      return ci.untilIdle();
  }
}

test('the invariants hold for any sequence of events', LONG, async () => {
  const story = fc.record({
    steps: fc.array(step, { minLength: 3, maxLength: 20 }),
    ends: fc.array(fc.nat(ENDS.length - 1), { minLength: 1, maxLength: 8 }),
    slots: fc.integer({ min: 1, max: 2 }),
    crashAt: fc.array(fc.nat(250), { maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(story, async ({ steps, ends, slots, crashAt }) => {
      let stages = 0;
      const ci = new CiHarness({
        slots,
        stage: () => {
          stages += 1;
          return { afterMs: 60_000, outcome: ENDS[ends[stages % ends.length] ?? 0] ?? { how: 'timedOut' } };
        },
      });
      ci.crashAt = crashAt;
      await ci.start();
      for (const what of steps) {
        await perform(ci, what);
        await ci.untilIdle();
      }
      await ci.run();
      // Two sweeps find the leftovers of a failed provider call, but each pending failure and each crash may need
      // another sweep.
      for (let sweeps = 0; sweeps < 2 + steps.length + crashAt.length; sweeps += 1) {
        await ci.clock.advance(650_000);
        await ci.run();
      }
      expect(violations(ci)).toEqual([]);
      expect(ci.crashes).toEqual([]);
      const [success] = ci.jobs().filter(({ verdict, url }) => verdict === 'SUCCESS' && url === null);
      expect(success).toBeUndefined();
      ci.store.close();
    }),
    { seed: 20260102, numRuns: runs(120), endOnFailure: false },
  );
});
