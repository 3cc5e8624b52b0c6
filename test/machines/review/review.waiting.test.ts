/** The state `preparing`: retries, a required vote, and withdrawal while it waits. */
import { describe, expect, test } from 'vitest';
import type { PreparePlan, ResolvedChange } from '../../../src/machines/model/domain.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { otherAnswers } from '../answers.ts';
import { expectConsistent } from '../expect-consistent.ts';
import { failure, jobReport, preparePlan, RESOLVED, REVIEW, START } from '../facts.ts';
import { Simulator, succeed } from '../simulator.ts';

const begun = (plan: Partial<PreparePlan> = {}) => Simulator.unprepared(preparePlan(plan));
const resolved = (change: Partial<ResolvedChange> = {}): AnyEvent => ({
  type: 'change.looked-up',
  change: { ...RESOLVED, ...change },
});
const vote = (value: number, account = 'zuul'): AnyEvent => ({
  type: 'vote.cast',
  vote: { account, label: 'Verified', value },
});
const REQUIRED_VOTE = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 14_400_000 };

/** The events that were sent to the jobs. */
function eventsToJobs(simulator: Simulator): readonly AnyEvent[] {
  return simulator.undelivered.map(({ event }) => event);
}

describe('retries', () => {
  test('Gerrit is queried again, with increasing waits, up to a limit', () => {
    const simulator = begun();
    const waits: number[] = [];
    for (let attempt = 1; attempt < 4; attempt += 1) {
      const row = simulator.answerType(REVIEW, 'lookUpChange', {
        type: 'change.lookup-failed',
        failure: failure('look up change'),
      });
      const timer = row.effects.find((effect) => effect.type === 'setTimer');
      expect(row.state).toBe('preparing.lookUpBackoff');
      waits.push(timer?.delayMs ?? 0);
      simulator.fire(REVIEW);
    }
    expect(waits).toEqual([250, 500, 1_000]);
    simulator.answerType(REVIEW, 'lookUpChange', {
      type: 'change.lookup-failed',
      failure: failure('look up change'),
    });
    expect(eventsToJobs(simulator)).toEqual([
      { type: 'job.rejected', verdict: 'NODE_FAILURE', reason: 'look up change: it broke' },
    ]);
    expectConsistent(simulator);
  });

  test('a permanent failure is not retried', () => {
    const simulator = begun();
    const unresolved = failure('look up change', { retryable: false });
    simulator.answerType(REVIEW, 'lookUpChange', { type: 'change.lookup-failed', failure: unresolved });
    expect(eventsToJobs(simulator)).toMatchObject([{ verdict: 'NODE_FAILURE' }]);
  });

  test('merging is retried, up to a limit', () => {
    const simulator = begun();
    simulator.answerType(REVIEW, 'lookUpChange');
    for (let attempt = 1; attempt < 3; attempt += 1) {
      simulator.answerType(REVIEW, 'mergePatchset', {
        type: 'patchset.merge-failed',
        failure: failure('merge patchset'),
      });
      expect(simulator.at(REVIEW).state).toBe('preparing.mergeBackoff');
      simulator.fire(REVIEW);
    }
    const row = simulator.answerType(REVIEW, 'mergePatchset', {
      type: 'patchset.merge-failed',
      failure: failure('merge patchset'),
    });
    expect([row.state, eventsToJobs(simulator)]).toEqual([
      'awaitingJobs',
      [{ type: 'job.rejected', verdict: 'NODE_FAILURE', reason: 'merge patchset: it broke' }],
    ]);
    expectConsistent(simulator);
  });

  test.each(['lookUpChange', 'mergePatchset'] as const)(
    'a %s that never answers is requested again',
    (type) => {
      const simulator = begun();
      if (type === 'mergePatchset') simulator.answerType(REVIEW, 'lookUpChange');
      simulator.fire(REVIEW);
      simulator.fire(REVIEW);
      expect(simulator.inFlight(REVIEW).filter((effect) => effect.type === type)).toHaveLength(2);
      // Both answers arrive late: the second one changes nothing.
      for (const effect of simulator.inFlight(REVIEW)) simulator.answer(REVIEW, effect.key);
      simulator.run();
      expectConsistent(simulator);
    },
  );
});

describe('a required vote', () => {
  test('was cast before', () => {
    const simulator = begun({ requiredVote: REQUIRED_VOTE });
    const votes = [{ account: 'zuul', label: 'Verified', value: 2 }];
    expect(simulator.answer(REVIEW, 'lookUpChange:1', resolved({ votes })).state).toBe('preparing.merging');
  });

  test('is cast, and the change is looked up again, because time has passed', () => {
    const simulator = begun({ requiredVote: REQUIRED_VOTE });
    expect(simulator.answerType(REVIEW, 'lookUpChange').state).toBe('preparing.awaitingVote');
    expect(simulator.send(REVIEW, vote(1, 'somebody')).state).toBe('preparing.awaitingVote');
    expect(simulator.send(REVIEW, vote(1)).state).toBe('preparing.lookingUp');
    expect(simulator.answer(REVIEW, 'lookUpChange:2').state).toBe('preparing.merging');
    expectConsistent(simulator);
  });

  test('is cast during a query to Gerrit', () => {
    const simulator = begun({ requiredVote: REQUIRED_VOTE });
    simulator.send(REVIEW, vote(1));
    expect(simulator.answerType(REVIEW, 'lookUpChange').state).toBe('preparing.merging');
    expectConsistent(simulator);
  });

  test('is negative: nothing runs and nothing is posted', () => {
    const simulator = begun({ requiredVote: REQUIRED_VOTE });
    simulator.answerType(REVIEW, 'lookUpChange');
    simulator.send(REVIEW, vote(-1));
    expect(eventsToJobs(simulator)).toEqual([
      { type: 'job.rejected', verdict: 'ABORTED', reason: 'zuul voted Verified-1' },
    ]);
    simulator.send(REVIEW, { type: 'job.reported', report: jobReport({ verdict: 'ABORTED' }) });
    expect(simulator.at(REVIEW).context.outcome).toBe('suppressed');
    expectConsistent(simulator);
  });

  test.each<[string, (simulator: Simulator) => void]>([
    [
      'before the lookup',
      (simulator) =>
        simulator.answer(
          REVIEW,
          'lookUpChange:1',
          resolved({ votes: [{ account: 'zuul', label: 'Verified', value: -1 }] }),
        ),
    ],
    ['during the lookup', (simulator) => simulator.send(REVIEW, vote(-1))],
    [
      'between two lookups',
      (simulator) => {
        const unresolved = failure('look up change');
        simulator.answerType(REVIEW, 'lookUpChange', { type: 'change.lookup-failed', failure: unresolved });
        simulator.send(REVIEW, vote(-1));
      },
    ],
  ])('is negative %s: nothing runs and nothing is posted', (_when, veto) => {
    const simulator = begun({ requiredVote: REQUIRED_VOTE });
    veto(simulator);
    expect(eventsToJobs(simulator)).toEqual([
      { type: 'job.rejected', verdict: 'ABORTED', reason: 'zuul voted Verified-1' },
    ]);
    simulator.send(REVIEW, { type: 'job.reported', report: jobReport({ verdict: 'ABORTED' }) });
    expect(simulator.at(REVIEW).context.outcome).toBe('suppressed');
    expectConsistent(simulator.run());
  });

  test('is never cast: the jobs run without it', () => {
    const simulator = begun({ requiredVote: REQUIRED_VOTE });
    simulator.answerType(REVIEW, 'lookUpChange');
    expect(simulator.fire(REVIEW).state).toBe('preparing.lookingUp');
    expect(simulator.now).toBe(START + REQUIRED_VOTE.timeoutMs);
    expect(simulator.answer(REVIEW, 'lookUpChange:2').state).toBe('preparing.merging');
    expectConsistent(simulator);
  });
});

describe.each<AnyEvent>([
  { type: 'review.cancelled', reason: 'the change was abandoned' },
  { type: 'review.superseded', by: '912345,4' },
])('$type', (event) => {
  const moments: readonly (readonly [string, () => Simulator])[] = [
    ['lookingUp', () => begun()],
    ['awaitingVote', () => afterAnswer(begun({ requiredVote: REQUIRED_VOTE }), 'lookUpChange')],
    ['merging', () => afterAnswer(begun(), 'lookUpChange')],
  ];

  test.each(moments)('while %s: the jobs are notified, and late answers change nothing', (_, moment) => {
    for (const effect of [null, ...moment().inFlight(REVIEW)]) {
      for (const answer of effect === null ? [null] : [undefined, ...otherAnswers(effect)]) {
        const simulator = moment();
        simulator.send(REVIEW, event);
        expect(simulator.at(REVIEW).ended).toBe(true);
        expect(eventsToJobs(simulator)).toHaveLength(1);
        if (effect !== null) simulator.answer(REVIEW, effect.key, answer ?? undefined);
        expect(eventsToJobs(simulator)).toHaveLength(1);
        expectConsistent(simulator);
      }
    }
  });
});

function afterAnswer(simulator: Simulator, type: 'lookUpChange'): Simulator {
  simulator.answers = succeed;
  simulator.answerType(REVIEW, type);
  return simulator;
}
