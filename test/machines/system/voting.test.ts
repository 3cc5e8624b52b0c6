/** voting@1: counts failures on different changes in a row, stops voting, and resumes only for an operator. */
import { describe, expect, test } from 'vitest';
import type { Judgement } from '../../../src/machines/model/judge-review.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { VOTING } from '../../../src/machines/system/voting.ts';
import { expectConsistent } from '../expect-consistent.ts';
import { START } from '../facts.ts';
import { Simulator } from '../simulator.ts';

const requested = (change: number, judgement: Judgement, stopAfter = 3): AnyEvent => ({
  type: 'vote.requested',
  review: `r${change}`,
  change,
  judgement,
  stopAfter,
});

function opened(): Simulator {
  const simulator = new Simulator();
  simulator.send(VOTING, { type: 'voting.opened' });
  return simulator;
}

/** The replies to reviews, in order. */
function answers(simulator: Simulator): readonly string[] {
  return simulator.undelivered.map(({ to, event }) => `${to} ${event.type}`);
}

describe('votes are allowed', () => {
  test('until the limit of failed changes in a row is reached, but not for the last of them', () => {
    const simulator = opened();
    for (const change of [1, 2, 3, 4]) simulator.send(VOTING, requested(change, 'failure'));
    expect(answers(simulator)).toEqual([
      'r1 vote.allowed',
      'r2 vote.allowed',
      'r3 vote.withheld',
      'r4 vote.withheld',
    ]);
    expect(simulator.at(VOTING)).toMatchObject({
      state: 'stopped',
      ended: false,
      context: { failed: [1, 2, 3, 4], stoppedAt: START },
    });
    expectConsistent(simulator);
  });

  test('if a success interrupts the failures', () => {
    const simulator = opened();
    for (const change of [1, 2]) simulator.send(VOTING, requested(change, 'failure'));
    simulator.send(VOTING, requested(3, 'success'));
    for (const change of [4, 5]) simulator.send(VOTING, requested(change, 'failure'));
    expect(answers(simulator).every((answer) => answer.endsWith('vote.allowed'))).toBe(true);
    expect(simulator.at(VOTING).context.failed).toEqual([4, 5]);
    expectConsistent(simulator);
  });

  test('if one change fails many times, and for outcomes that are neither success nor failure', () => {
    const simulator = opened();
    for (const change of [1, 1, 1, 1]) simulator.send(VOTING, requested(change, 'failure'));
    for (const change of [2, 3, 4]) simulator.send(VOTING, requested(change, 'neither'));
    expect(simulator.at(VOTING)).toMatchObject({ state: 'allowed', context: { failed: [1] } });
    expectConsistent(simulator);
  });
});

describe('votes that stopped', () => {
  function stopped(): Simulator {
    const simulator = opened();
    for (const change of [1, 2, 3]) simulator.send(VOTING, requested(change, 'failure'));
    return simulator;
  }

  test('raise one alarm', () => {
    const simulator = stopped();
    simulator.send(VOTING, requested(4, 'failure'));
    const alarms = simulator.log.flatMap((row) =>
      row.effects.filter((effect) => effect.type === 'raiseAlarm'),
    );
    expect(alarms).toMatchObject([
      {
        key: 'alarm:stopped:1',
        alarm: { kind: 'voting-stopped', message: expect.stringContaining('(1, 2, 3)') },
      },
    ]);
  });

  test('are not resumed by a success', () => {
    const simulator = stopped();
    simulator.send(VOTING, requested(4, 'success'));
    expect(answers(simulator).at(-1)).toBe('r4 vote.withheld');
    expectConsistent(simulator);
  });

  test('are resumed by an operator, and counted again', () => {
    const simulator = stopped();
    simulator.send(VOTING, { type: 'voting.resumed', by: 'alice', why: 'the array is back' });
    expect(simulator.at(VOTING)).toMatchObject({
      state: 'allowed',
      context: { failed: [], stoppedAt: null },
    });
    for (const change of [4, 5, 6]) simulator.send(VOTING, requested(change, 'failure'));
    expect(answers(simulator).slice(3)).toEqual(['r4 vote.allowed', 'r5 vote.allowed', 'r6 vote.withheld']);
    expectConsistent(simulator);
  });
});

test('internal errors neither end the history nor stop voting', () => {
  const simulator = opened();
  simulator.send(VOTING, { type: 'machine.failed', event: 'vote.requested', message: 'broken' });
  simulator.send(VOTING, { type: 'daemon.crashed', during: 'vote.requested', message: 'broken' });
  simulator.send(VOTING, { type: 'daemon.crashed', during: 'vote.requested', message: 'broken' });
  simulator.send(VOTING, requested(1, 'failure'));
  expect(answers(simulator)).toEqual(['r1 vote.allowed']);
  expectConsistent(simulator);
});

test('the number of remembered failures is limited', () => {
  const simulator = opened();
  for (let change = 1; change <= 1_100; change += 1)
    simulator.send(VOTING, requested(change, 'failure', 5_000));
  expect((simulator.at(VOTING).context.failed as readonly number[]).length).toBe(1_000);
  expect(simulator.at(VOTING).state).toBe('allowed');
});
