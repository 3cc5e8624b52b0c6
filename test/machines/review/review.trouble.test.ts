/** review@1 and bugs: an alarm and no second comment the first time, parked the next. */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { jobReport, REVIEW, reportSpec } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { alarms, outcome, voteInputs } from '../review-world.ts';
import { Simulator } from '../simulator.ts';

const reported: AnyEvent = { type: 'job.reported', report: jobReport() };

/** A review that is sending its comment. */
function sending(): Simulator {
  const world = Simulator.review(reportSpec());
  world.send(REVIEW, reported);
  expect(voteInputs(world).state).toBe('posting.sending');
  return world;
}

describe('a bug', () => {
  const broken: AnyEvent = { type: 'machine.failed', event: 'job.reported', message: 'undefined is not' };
  const crash: AnyEvent = { type: 'daemon.crashed', during: 'postReview', message: 'undefined is not' };

  test('raises an alarm; a post in flight still counts', () => {
    const world = sending();
    expect(world.send(REVIEW, broken).state).toBe('raisingAlarm');
    world.answer(REVIEW, 'postReview:1');
    expect(outcome(world.run())).toEqual(['done', 'posted']);
    expect(alarms(world)).toEqual(['review-post-failed']);
    orderly(world);
  });

  test('a second one parks the review: no loop between alarm and end', () => {
    const world = sending();
    expect(world.send(REVIEW, broken).state).toBe('raisingAlarm');
    expect(world.send(REVIEW, broken).state).toBe('parked');
    expect(alarms(world)).toEqual(['review-post-failed', 'review-post-failed']);
    orderly(world.run());
  });

  test('that leaves no path to an alarm parks the review; its jobs are answered when they report', () => {
    const world = sending();
    const lost: AnyEvent = {
      type: 'machine.quarantine-failed',
      event: 'job.reported',
      message: 'undefined is not',
    };
    const row = world.send(REVIEW, lost);
    expect(row.state).toBe('parked');
    expect(row.effects).toContainEqual(
      expect.objectContaining({
        type: 'sendEvent',
        event: expect.objectContaining({ type: 'job.cancelled' }),
      }),
    );
    expect(world.send(REVIEW, reported).effects[0]).toMatchObject({
      type: 'sendEvent',
      event: { type: 'verdict.accepted' },
    });
    orderly(world.run());
  });

  test('that kills the daemon twice parks the review, with an alarm', () => {
    const world = sending();
    expect(world.send(REVIEW, crash)).toMatchObject({ state: 'posting.sending', effects: [] });
    expect(world.send(REVIEW, crash).state).toBe('parked');
    expect(alarms(world)).toEqual(['review-post-failed']);
    expect(world.send(REVIEW, reported).effects.map(({ type }) => type)).toEqual(['sendEvent', 'sendEvent']);
    orderly(world.run());
  });
});
