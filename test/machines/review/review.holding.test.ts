/** preparing, when something is late: retries, a required vote, and a withdrawal meanwhile. */
import { describe, expect, test } from 'vitest';
import type { PreparePlan, ResolvedChange } from '../../../src/machines/model/domain.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { otherAnswers } from '../answers.ts';
import { failure, jobReport, preparePlan, RESOLVED, REVIEW, START } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { answerWell, Simulator } from '../simulator.ts';

const begun = (plan: Partial<PreparePlan> = {}) => Simulator.unprepared(preparePlan(plan));
const resolved = (change: Partial<ResolvedChange> = {}): AnyEvent => ({
  type: 'change.looked-up',
  change: { ...RESOLVED, ...change },
});
const vote = (value: number, account = 'zuul'): AnyEvent => ({
  type: 'vote.cast',
  vote: { account, label: 'Verified', value },
});
const HOLD = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 14_400_000 };

/** What the jobs were told last. */
function eventsSentTo(world: Simulator): readonly AnyEvent[] {
  return world.undelivered.map(({ event }) => event);
}

describe('retries', () => {
  test('Gerrit is queried again, with longer and longer waits, up to a limit', () => {
    const world = begun();
    const waits: number[] = [];
    for (let attempt = 1; attempt < 4; attempt += 1) {
      const row = world.answerType(REVIEW, 'lookUpChange', {
        type: 'change.lookup-failed',
        failure: failure('look up change'),
      });
      const timer = row.effects.find((effect) => effect.type === 'setTimer');
      expect(row.state).toBe('preparing.lookUpBackoff');
      waits.push(timer?.delayMs ?? 0);
      world.fire(REVIEW);
    }
    expect(waits).toEqual([250, 500, 1_000]);
    world.answerType(REVIEW, 'lookUpChange', {
      type: 'change.lookup-failed',
      failure: failure('look up change'),
    });
    expect(eventsSentTo(world)).toEqual([
      { type: 'job.rejected', verdict: 'NODE_FAILURE', reason: 'look up change: it broke' },
    ]);
    orderly(world);
  });

  test('a permanent failure is not retried', () => {
    const world = begun();
    const unresolved = failure('look up change', { retryable: false });
    world.answerType(REVIEW, 'lookUpChange', { type: 'change.lookup-failed', failure: unresolved });
    expect(eventsSentTo(world)).toMatchObject([{ verdict: 'NODE_FAILURE' }]);
  });

  test('merging is retried, up to a limit', () => {
    const world = begun();
    world.answerType(REVIEW, 'lookUpChange');
    for (let attempt = 1; attempt < 3; attempt += 1) {
      world.answerType(REVIEW, 'mergePatchset', {
        type: 'patchset.merge-failed',
        failure: failure('merge patchset'),
      });
      expect(world.at(REVIEW).state).toBe('preparing.mergeBackoff');
      world.fire(REVIEW);
    }
    const row = world.answerType(REVIEW, 'mergePatchset', {
      type: 'patchset.merge-failed',
      failure: failure('merge patchset'),
    });
    expect([row.state, eventsSentTo(world)]).toEqual([
      'awaitingJobs',
      [{ type: 'job.rejected', verdict: 'NODE_FAILURE', reason: 'merge patchset: it broke' }],
    ]);
    orderly(world);
  });

  test.each(['lookUpChange', 'mergePatchset'] as const)(
    'a %s that never answers is requested again',
    (type) => {
      const world = begun();
      if (type === 'mergePatchset') world.answerType(REVIEW, 'lookUpChange');
      world.fire(REVIEW);
      world.fire(REVIEW);
      expect(world.inFlight(REVIEW).filter((effect) => effect.type === type)).toHaveLength(2);
      // Both answers come after all: the second one changes nothing.
      for (const effect of world.inFlight(REVIEW)) world.answer(REVIEW, effect.key);
      world.run();
      orderly(world);
    },
  );
});

describe('a required vote', () => {
  test('was cast before', () => {
    const world = begun({ hold: HOLD });
    const votes = [{ account: 'zuul', label: 'Verified', value: 2 }];
    expect(world.answer(REVIEW, 'lookUpChange:1', resolved({ votes })).state).toBe('preparing.merging');
  });

  test('is cast, and the change is looked up once more, because time has passed', () => {
    const world = begun({ hold: HOLD });
    expect(world.answerType(REVIEW, 'lookUpChange').state).toBe('preparing.awaitingVote');
    expect(world.send(REVIEW, vote(1, 'somebody')).state).toBe('preparing.awaitingVote');
    expect(world.send(REVIEW, vote(1)).state).toBe('preparing.lookingUp');
    expect(world.answer(REVIEW, 'lookUpChange:2').state).toBe('preparing.merging');
    orderly(world);
  });

  test('is cast during a query to Gerrit', () => {
    const world = begun({ hold: HOLD });
    world.send(REVIEW, vote(1));
    expect(world.answerType(REVIEW, 'lookUpChange').state).toBe('preparing.merging');
    orderly(world);
  });

  test('is negative: nothing runs and nothing is posted', () => {
    const world = begun({ hold: HOLD });
    world.answerType(REVIEW, 'lookUpChange');
    world.send(REVIEW, vote(-1));
    expect(eventsSentTo(world)).toEqual([
      { type: 'job.rejected', verdict: 'ABORTED', reason: 'zuul voted Verified-1' },
    ]);
    world.send(REVIEW, { type: 'job.reported', report: jobReport({ verdict: 'ABORTED' }) });
    expect(world.at(REVIEW).context.outcome).toBe('suppressed');
    orderly(world);
  });

  test('is never cast: the jobs run without it', () => {
    const world = begun({ hold: HOLD });
    world.answerType(REVIEW, 'lookUpChange');
    expect(world.fire(REVIEW).state).toBe('preparing.lookingUp');
    expect(world.now).toBe(START + HOLD.timeoutMs);
    expect(world.answer(REVIEW, 'lookUpChange:2').state).toBe('preparing.merging');
    orderly(world);
  });
});

describe.each<AnyEvent>([
  { type: 'review.cancelled', reason: 'the change was abandoned' },
  { type: 'review.superseded', by: '912345,4' },
])('$type', (event) => {
  const moments: readonly (readonly [string, () => Simulator])[] = [
    ['lookingUp', () => begun()],
    ['awaitingVote', () => told(begun({ hold: HOLD }), 'lookUpChange')],
    ['merging', () => told(begun(), 'lookUpChange')],
  ];

  test.each(moments)('while %s: the jobs are notified, and late answers change nothing', (_, moment) => {
    for (const effect of [null, ...moment().inFlight(REVIEW)]) {
      for (const answer of effect === null ? [null] : [undefined, ...otherAnswers(effect)]) {
        const world = moment();
        world.send(REVIEW, event);
        expect(world.at(REVIEW).ended).toBe(true);
        expect(eventsSentTo(world)).toHaveLength(1);
        if (effect !== null) world.answer(REVIEW, effect.key, answer ?? undefined);
        expect(eventsSentTo(world)).toHaveLength(1);
        orderly(world);
      }
    }
  });
});

function told(world: Simulator, type: 'lookUpChange'): Simulator {
  world.answers = answerWell;
  world.answerType(REVIEW, type);
  return world;
}
