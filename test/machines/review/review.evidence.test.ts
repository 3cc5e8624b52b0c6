/**
 * A review with evidence that could not be published yet: it waits for a limited time, then posts without a negative
 * vote.
 */
import { describe, expect, test } from 'vitest';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import { failure, JOB, jobReport, REVIEW, reportSpec } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { alarms, outcome, voteInputs } from '../review-world.ts';
import { Simulator } from '../simulator.ts';

const URL = 'https://logs.example.org/later/';

/** A review that has its only job's report. */
function pending(changes: Partial<JobReport>): Simulator {
  const world = Simulator.review(reportSpec({ evidenceWaitMs: 600_000 }));
  const report = jobReport({ evidence: 'pending', url: URL, ...changes });
  world.send(REVIEW, { type: 'job.reported', report });
  return world;
}

function posts(world: Simulator): readonly unknown[] {
  voteInputs(world);
  return world
    .rowsOf(REVIEW)
    .flatMap((row) => row.effects.flatMap((effect) => (effect.type === 'postReview' ? [effect.labels] : [])));
}

describe('a review with pending evidence', () => {
  test('waits for it, and votes against the patch once it is published', () => {
    const world = pending({ verdict: 'FAILURE' });
    expect(world.at(REVIEW).state).toBe('awaitingEvidence');
    expect(posts(world)).toEqual([]);
    world.send(REVIEW, { type: 'job.evidence-published', job: JOB, url: URL });
    expect(posts(world)).toEqual([{ Verified: -1 }]);
    orderly(world.run());
  });

  test.each(['FAILURE', 'TIMED_OUT'] as const)(
    'gives no vote for %s when it is not published in time',
    (verdict) => {
      const world = pending({ verdict });
      const { at } = world.at(REVIEW);
      world.fire(REVIEW);
      expect(world.now - at).toBe(600_000);
      expect(posts(world)).toEqual([{}]);
      // Published later, it changes nothing that was posted.
      world.send(REVIEW, { type: 'job.evidence-published', job: JOB, url: URL });
      world.run();
      world.send(REVIEW, { type: 'job.evidence-published', job: JOB, url: URL });
      expect(posts(world)).toEqual([{}]);
      orderly(world);
    },
  );

  test('still gives its positive vote', () => {
    const world = pending({ verdict: 'SUCCESS' });
    world.fire(REVIEW);
    expect(posts(world)).toEqual([{ Verified: 1 }]);
    orderly(world.run());
  });

  test('gives no vote for a failure whose evidence was abandoned', () => {
    const world = pending({ verdict: 'FAILURE' });
    world.send(REVIEW, { type: 'job.evidence-abandoned', job: JOB, why: 'too old' });
    expect(posts(world)).toEqual([{}]);
    expect(world.at(REVIEW).context.reports).toMatchObject([{ evidence: 'none', url: null }]);
    orderly(world.run());
  });

  test('is withdrawn like any other that has posted nothing', () => {
    const world = pending({ verdict: 'FAILURE' });
    world.send(REVIEW, { type: 'review.superseded', by: '912345,4' });
    expect(world.at(REVIEW)).toMatchObject({ state: 'done', context: { outcome: 'withdrawn' } });
    expect(posts(world)).toEqual([]);
  });
});

describe('a review whose evidence is published after its post', () => {
  /** Its failure has no evidence in time, so it only takes our +1 away. */
  function takenAway(): Simulator {
    const world = pending({ verdict: 'FAILURE' });
    world.votes = { Verified: 1 };
    world.fire(REVIEW);
    expect(posts(world)).toEqual([{ Verified: 0 }]);
    return world;
  }
  const publish = (world: Simulator) =>
    world.send(REVIEW, { type: 'job.evidence-published', job: JOB, url: URL });

  test.each([
    ['before Gerrit answers', false],
    ['before the vote is read back', true],
  ])('%s expects the vote that it sent', (_, answered) => {
    const world = takenAway();
    if (!answered) publish(world);
    world.answerType(REVIEW, 'postReview');
    if (answered) publish(world);
    world.answerType(REVIEW, 'readVotes', { type: 'votes.read', votes: { Verified: 0 } });
    expect([outcome(world), alarms(world)]).toEqual([['done', 'posted'], []]);
    orderly(world.run());
  });

  test('names the vote that it sent when Gerrit dropped it', () => {
    const world = takenAway();
    world.answerType(REVIEW, 'postReview');
    publish(world);
    const { effects } = world.answerType(REVIEW, 'readVotes', {
      type: 'votes.read',
      votes: { Verified: 1 },
    });
    expect(effects).toContainEqual(
      expect.objectContaining({
        alarm: expect.objectContaining({
          kind: 'vote-dropped',
          message: 'Gerrit took the message but not the vote {"Verified":0}',
        }),
      }),
    );
    orderly(world.run());
  });

  /** The first attempt arrives, but its answer is lost; the second one would vote -1. */
  function secondAttempt(found: boolean): Simulator {
    const world = takenAway();
    world.answerType(REVIEW, 'postReview', { type: 'review.post-failed', failure: failure('post review') });
    publish(world);
    world.fire(REVIEW);
    expect(posts(world)).toEqual([{ Verified: 0 }, { Verified: -1 }]);
    world.answerType(REVIEW, 'postReview', { type: 'review.posted', found, voted: true, why: '' });
    return world;
  }

  test('accepts the vote of an earlier attempt whose message Gerrit has', () => {
    const world = secondAttempt(true);
    world.answerType(REVIEW, 'readVotes', { type: 'votes.read', votes: { Verified: 0 } });
    expect([outcome(world), alarms(world)]).toEqual([['done', 'posted'], []]);
    orderly(world.run());
  });

  test('accepts only the vote of the attempt that Gerrit accepted', () => {
    const world = secondAttempt(false);
    world.answerType(REVIEW, 'readVotes', { type: 'votes.read', votes: { Verified: 0 } });
    expect([world.at(REVIEW).state, alarms(world)]).toEqual(['raisingAlarm', ['vote-dropped']]);
    orderly(world.run());
  });
});
