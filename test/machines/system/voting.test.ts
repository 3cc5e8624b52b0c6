/** voting@1: failures on different changes in a row are counted, votes stop, and only an operator lets them go on. */
import { describe, expect, test } from 'vitest';
import type { Judgement } from '../../../src/machines/model/judge-review.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { VOTING } from '../../../src/machines/system/voting.ts';
import { START } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { Simulator } from '../simulator.ts';

const requested = (change: number, judgement: Judgement, stopAfter = 3): AnyEvent => ({
  type: 'vote.requested',
  review: `r${change}`,
  change,
  judgement,
  stopAfter,
});

function opened(): Simulator {
  const world = new Simulator();
  world.send(VOTING, { type: 'voting.opened' });
  return world;
}

/** The answers to reviews, in order. */
function answers(world: Simulator): readonly string[] {
  return world.undelivered.map(({ to, event }) => `${to} ${event.type}`);
}

describe('votes are allowed', () => {
  test('until as many changes in a row failed as the limit says, and for the last of them no more', () => {
    const world = opened();
    for (const change of [1, 2, 3, 4]) world.send(VOTING, requested(change, 'failure'));
    expect(answers(world)).toEqual([
      'r1 vote.allowed',
      'r2 vote.allowed',
      'r3 vote.withheld',
      'r4 vote.withheld',
    ]);
    expect(world.at(VOTING)).toMatchObject({
      state: 'stopped',
      ended: false,
      context: { failed: [1, 2, 3, 4], stoppedAt: START },
    });
    orderly(world);
  });

  test('again and again when a success lies between', () => {
    const world = opened();
    for (const change of [1, 2]) world.send(VOTING, requested(change, 'failure'));
    world.send(VOTING, requested(3, 'success'));
    for (const change of [4, 5]) world.send(VOTING, requested(change, 'failure'));
    expect(answers(world).every((answer) => answer.endsWith('vote.allowed'))).toBe(true);
    expect(world.at(VOTING).context.failed).toEqual([4, 5]);
    orderly(world);
  });

  test('when one change fails many times, and when what happened speaks neither for nor against us', () => {
    const world = opened();
    for (const change of [1, 1, 1, 1]) world.send(VOTING, requested(change, 'failure'));
    for (const change of [2, 3, 4]) world.send(VOTING, requested(change, 'neither'));
    expect(world.at(VOTING)).toMatchObject({ state: 'allowed', context: { failed: [1] } });
    orderly(world);
  });
});

describe('votes that stopped', () => {
  function stopped(): Simulator {
    const world = opened();
    for (const change of [1, 2, 3]) world.send(VOTING, requested(change, 'failure'));
    return world;
  }

  test('are told to the operator once', () => {
    const world = stopped();
    world.send(VOTING, requested(4, 'failure'));
    const alarms = world.log.flatMap((row) => row.effects.filter((effect) => effect.type === 'raiseAlarm'));
    expect(alarms).toMatchObject([
      {
        key: 'alarm:stopped:1',
        alarm: { kind: 'voting-stopped', message: expect.stringContaining('(1, 2, 3)') },
      },
    ]);
  });

  test('are not resumed by a success', () => {
    const world = stopped();
    world.send(VOTING, requested(4, 'success'));
    expect(answers(world).at(-1)).toBe('r4 vote.withheld');
    orderly(world);
  });

  test('are resumed by an operator, and counted again', () => {
    const world = stopped();
    world.send(VOTING, { type: 'voting.resumed', by: 'alice', why: 'the array is back' });
    expect(world.at(VOTING)).toMatchObject({ state: 'allowed', context: { failed: [], stoppedAt: null } });
    for (const change of [4, 5, 6]) world.send(VOTING, requested(change, 'failure'));
    expect(answers(world).slice(3)).toEqual(['r4 vote.allowed', 'r5 vote.allowed', 'r6 vote.withheld']);
    orderly(world);
  });
});

test('trouble of our own neither ends nor stops it', () => {
  const world = opened();
  world.send(VOTING, { type: 'machine.failed', event: 'vote.requested', message: 'broken' });
  world.send(VOTING, { type: 'daemon.crashed', during: 'vote.requested', message: 'broken' });
  world.send(VOTING, { type: 'daemon.crashed', during: 'vote.requested', message: 'broken' });
  world.send(VOTING, requested(1, 'failure'));
  expect(answers(world)).toEqual(['r1 vote.allowed']);
  orderly(world);
});

test('more failures than are remembered are no more than that', () => {
  const world = opened();
  for (let change = 1; change <= 1_100; change += 1) world.send(VOTING, requested(change, 'failure', 5_000));
  expect((world.at(VOTING).context.failed as readonly number[]).length).toBe(1_000);
  expect(world.at(VOTING).state).toBe('allowed');
});
