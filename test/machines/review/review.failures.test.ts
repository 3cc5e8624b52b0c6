/** review@1 and internal errors: the first raises an alarm and causes no second comment, the next parks the review. */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { expectConsistent } from '../expect-consistent.ts';
import { jobReport, REVIEW, reportSpec } from '../facts.ts';
import { alarms, outcome, voteInputs } from '../review-simulator.ts';
import { Simulator } from '../simulator.ts';

const reported: AnyEvent = { type: 'job.reported', report: jobReport() };

/** A review that is sending its comment. */
function sending(): Simulator {
  const simulator = Simulator.review(reportSpec());
  simulator.send(REVIEW, reported);
  expect(voteInputs(simulator).state).toBe('posting.sending');
  return simulator;
}

describe('a bug', () => {
  const broken: AnyEvent = { type: 'machine.failed', event: 'job.reported', message: 'undefined is not' };
  const crash: AnyEvent = { type: 'daemon.crashed', during: 'postReview', message: 'undefined is not' };

  test('raises an alarm; a post in flight still counts', () => {
    const simulator = sending();
    expect(simulator.send(REVIEW, broken).state).toBe('raisingAlarm');
    simulator.answer(REVIEW, 'postReview:1');
    expect(outcome(simulator.run())).toEqual(['done', 'posted']);
    expect(alarms(simulator)).toEqual(['review-post-failed']);
    expectConsistent(simulator);
  });

  test('a second one parks the review: no loop between alarm and end', () => {
    const simulator = sending();
    expect(simulator.send(REVIEW, broken).state).toBe('raisingAlarm');
    expect(simulator.send(REVIEW, broken).state).toBe('parked');
    expect(alarms(simulator)).toEqual(['review-post-failed', 'review-post-failed']);
    expectConsistent(simulator.run());
  });

  test('that leaves no path to an alarm parks the review; later reports of its jobs are acknowledged', () => {
    const simulator = sending();
    const lost: AnyEvent = {
      type: 'machine.quarantine-failed',
      event: 'job.reported',
      message: 'undefined is not',
    };
    const row = simulator.send(REVIEW, lost);
    expect(row.state).toBe('parked');
    expect(row.effects).toContainEqual(
      expect.objectContaining({
        type: 'sendEvent',
        event: expect.objectContaining({ type: 'job.cancelled' }),
      }),
    );
    expect(simulator.send(REVIEW, reported).effects[0]).toMatchObject({
      type: 'sendEvent',
      event: { type: 'verdict.accepted' },
    });
    expectConsistent(simulator.run());
  });

  test('that kills the daemon twice parks the review, with an alarm', () => {
    const simulator = sending();
    expect(simulator.send(REVIEW, crash)).toMatchObject({ state: 'posting.sending', effects: [] });
    expect(simulator.send(REVIEW, crash).state).toBe('parked');
    expect(alarms(simulator)).toEqual(['review-post-failed']);
    expect(simulator.send(REVIEW, reported).effects.map(({ type }) => type)).toEqual([
      'sendEvent',
      'sendEvent',
    ]);
    expectConsistent(simulator.run());
  });
});
