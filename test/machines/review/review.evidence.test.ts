/**
 * A review with evidence that could not be published yet: it waits for a limited time, then posts without a negative
 * vote.
 */
import { describe, expect, test } from 'vitest';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import { expectConsistent } from '../expect-consistent.ts';
import { failure, JOB, jobReport, REVIEW, reportSpec } from '../facts.ts';
import { alarms, outcome, voteInputs } from '../review-simulator.ts';
import { Simulator } from '../simulator.ts';

const URL = 'https://logs.example.org/later/';

/** A review that has its only job's report. */
function pending(changes: Partial<JobReport>): Simulator {
  const simulator = Simulator.review(reportSpec({ evidenceWaitMs: 600_000 }));
  const report = jobReport({ evidence: 'pending', url: URL, ...changes });
  simulator.send(REVIEW, { type: 'job.reported', report });
  return simulator;
}

function posts(simulator: Simulator): readonly unknown[] {
  voteInputs(simulator);
  return simulator
    .rowsOf(REVIEW)
    .flatMap((row) => row.effects.flatMap((effect) => (effect.type === 'postReview' ? [effect.labels] : [])));
}

describe('a review with pending evidence', () => {
  test('waits for it, and votes against the patch once it is published', () => {
    const simulator = pending({ verdict: 'FAILURE' });
    expect(simulator.at(REVIEW).state).toBe('awaitingEvidence');
    expect(posts(simulator)).toEqual([]);
    simulator.send(REVIEW, { type: 'job.evidence-published', job: JOB, url: URL });
    expect(posts(simulator)).toEqual([{ Verified: -1 }]);
    expectConsistent(simulator.run());
  });

  test.each(['FAILURE', 'TIMED_OUT'] as const)(
    'gives no vote for %s when it is not published in time',
    (verdict) => {
      const simulator = pending({ verdict });
      const { at } = simulator.at(REVIEW);
      simulator.fire(REVIEW);
      expect(simulator.now - at).toBe(600_000);
      expect(posts(simulator)).toEqual([{}]);
      // Published later, it changes nothing that was posted.
      simulator.send(REVIEW, { type: 'job.evidence-published', job: JOB, url: URL });
      simulator.run();
      simulator.send(REVIEW, { type: 'job.evidence-published', job: JOB, url: URL });
      expect(posts(simulator)).toEqual([{}]);
      expectConsistent(simulator);
    },
  );

  test('still gives its positive vote', () => {
    const simulator = pending({ verdict: 'SUCCESS' });
    simulator.fire(REVIEW);
    expect(posts(simulator)).toEqual([{ Verified: 1 }]);
    expectConsistent(simulator.run());
  });

  test('gives no vote for a failure whose evidence was abandoned', () => {
    const simulator = pending({ verdict: 'FAILURE' });
    simulator.send(REVIEW, { type: 'job.evidence-abandoned', job: JOB, why: 'too old' });
    expect(posts(simulator)).toEqual([{}]);
    expect(simulator.at(REVIEW).context.reports).toMatchObject([{ evidence: 'none', url: null }]);
    expectConsistent(simulator.run());
  });

  test('is withdrawn like any other that has posted nothing', () => {
    const simulator = pending({ verdict: 'FAILURE' });
    simulator.send(REVIEW, { type: 'review.superseded', by: '912345,4' });
    expect(simulator.at(REVIEW)).toMatchObject({ state: 'done', context: { outcome: 'withdrawn' } });
    expect(posts(simulator)).toEqual([]);
  });
});

describe('a review whose evidence is published after its post', () => {
  /** A failure without evidence in time, which only removes our +1. */
  function takenAway(): Simulator {
    const simulator = pending({ verdict: 'FAILURE' });
    simulator.votes = { Verified: 1 };
    simulator.fire(REVIEW);
    expect(posts(simulator)).toEqual([{ Verified: 0 }]);
    return simulator;
  }
  const publish = (simulator: Simulator) =>
    simulator.send(REVIEW, { type: 'job.evidence-published', job: JOB, url: URL });

  test.each([
    ['before Gerrit responds', false],
    ['before the vote is read back', true],
  ])('%s expects the vote that it sent', (_, answered) => {
    const simulator = takenAway();
    if (!answered) publish(simulator);
    simulator.answerType(REVIEW, 'postReview');
    if (answered) publish(simulator);
    simulator.answerType(REVIEW, 'readVotes', { type: 'votes.read', votes: { Verified: 0 } });
    expect([outcome(simulator), alarms(simulator)]).toEqual([['done', 'posted'], []]);
    expectConsistent(simulator.run());
  });

  test('names the vote that it sent when Gerrit dropped it', () => {
    const simulator = takenAway();
    simulator.answerType(REVIEW, 'postReview');
    publish(simulator);
    const { effects } = simulator.answerType(REVIEW, 'readVotes', {
      type: 'votes.read',
      votes: { Verified: 1 },
    });
    expect(effects).toContainEqual(
      expect.objectContaining({
        alarm: expect.objectContaining({
          kind: 'vote-dropped',
          message: 'Gerrit accepted the message but dropped the vote {"Verified":0}',
        }),
      }),
    );
    expectConsistent(simulator.run());
  });

  /** The first attempt fails, but has arrived if `found`; the second one would vote -1. */
  function secondAttempt(found: boolean): Simulator {
    const simulator = takenAway();
    simulator.answerType(REVIEW, 'postReview', {
      type: 'review.post-failed',
      failure: failure('post review'),
    });
    publish(simulator);
    simulator.fire(REVIEW);
    expect(posts(simulator)).toEqual([{ Verified: 0 }, { Verified: -1 }]);
    simulator.answerType(REVIEW, 'postReview', { type: 'review.posted', found, voted: true, why: '' });
    return simulator;
  }

  test('accepts the vote of an earlier attempt whose message Gerrit has', () => {
    const simulator = secondAttempt(true);
    simulator.answerType(REVIEW, 'readVotes', { type: 'votes.read', votes: { Verified: 0 } });
    expect([outcome(simulator), alarms(simulator)]).toEqual([['done', 'posted'], []]);
    expectConsistent(simulator.run());
  });

  test('accepts only the vote of the attempt that Gerrit accepted', () => {
    const simulator = secondAttempt(false);
    simulator.answerType(REVIEW, 'readVotes', { type: 'votes.read', votes: { Verified: 0 } });
    expect([simulator.at(REVIEW).state, alarms(simulator)]).toEqual(['raisingAlarm', ['vote-dropped']]);
    expectConsistent(simulator.run());
  });
});
