/** Reviews that need permission before they vote, and one that does not. */
import { describe, expect, test } from 'vitest';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import type { ReportSpec } from '../../../src/machines/model/report-spec.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { VOTING } from '../../../src/machines/system/voting.ts';
import { jobReport, REVIEW, reportSpec } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { voteInputs } from '../review-world.ts';
import { Simulator } from '../simulator.ts';

const reported = (changes: Partial<JobReport> = {}): AnyEvent => ({
  type: 'job.reported',
  report: jobReport(changes),
});

/** A review that has its only job's report, in a world that has a history of voting or not. */
function judged(report: Partial<ReportSpec>, changes: Partial<JobReport>, voting = true): Simulator {
  const world = Simulator.review(reportSpec({ maxConsecutiveFailures: 1, ...report }));
  if (voting) world.send(VOTING, { type: 'voting.opened' });
  world.send(REVIEW, reported(changes));
  return world;
}

function posts(world: Simulator): readonly unknown[] {
  voteInputs(world);
  return world
    .rowsOf(REVIEW)
    .flatMap((row) => row.effects.flatMap((effect) => (effect.type === 'postReview' ? [effect.labels] : [])));
}

describe('a review requests permission before it posts', () => {
  test('and votes when it is granted', () => {
    const world = judged({ maxConsecutiveFailures: 2 }, { verdict: 'FAILURE' });
    expect(posts(world)).toEqual([{ Verified: -1 }]);
    expect(world.run().at(REVIEW)).toMatchObject({
      state: 'done',
      context: { withheld: '', outcome: 'posted' },
    });
    orderly(world);
  });

  test('and posts without a vote when it is refused', () => {
    const world = judged({}, { verdict: 'FAILURE' });
    expect(posts(world)).toEqual([{}]);
    // Nothing to read back either.
    world.answerType(REVIEW, 'postReview');
    const withheld = 'voting stopped after failures on 1 changes in a row';
    expect(world.at(REVIEW)).toMatchObject({ state: 'done', context: { withheld, outcome: 'posted' } });
    orderly(world);
  });

  test('and posts without a vote when there is no answer, and says why', () => {
    const world = judged({}, {}, false);
    expect(world.at(REVIEW).state).toBe('checkingVotePermission');
    world.fire(REVIEW);
    expect(posts(world)).toEqual([{}]);
    expect(world.owed(REVIEW)).toContainEqual(
      expect.objectContaining({
        type: 'postReview',
        message: expect.stringContaining('No vote: it was not answered in time whether this CI may vote.'),
      }),
    );
    // An answer that comes after all changes nothing.
    world.send(REVIEW, { type: 'vote.allowed' });
    expect(world.at(REVIEW).state).toBe('posting.sending');
    expect(world.at(REVIEW).context.withheld).not.toBe('');
    orderly(world);
  });

  test('and is withdrawn while it waits', () => {
    const world = judged({}, {}, false);
    world.send(REVIEW, { type: 'review.superseded', by: '912345,4' });
    expect(world.at(REVIEW)).toMatchObject({ state: 'done', context: { outcome: 'withdrawn' } });
    orderly(world);
  });
});

describe('a review is counted', () => {
  const failed = (world: Simulator) => world.at(VOTING).context.failed;

  test('even when it is suppressed or in shadow mode', () => {
    const suppressed = judged(
      { maxConsecutiveFailures: 5, suppress: ['infrastructure'] },
      { verdict: 'RETRY_LIMIT' },
    );
    const shadow = judged({ maxConsecutiveFailures: 5, enabled: false }, { verdict: 'FAILURE' });
    expect([failed(suppressed), failed(shadow)]).toEqual([[912345], [912345]]);
    expect([posts(suppressed), posts(shadow)]).toEqual([[], []]);
    expect(suppressed.at(REVIEW)).toMatchObject({ state: 'done', context: { outcome: 'suppressed' } });
  });

  test.each([
    ['its patch does not merge', { maxConsecutiveFailures: 5 }, { verdict: 'MERGER_FAILURE' }],
    ['it was aborted', { maxConsecutiveFailures: 5 }, { verdict: 'ABORTED' }],
    ['voting never stops', { maxConsecutiveFailures: 0 }, { verdict: 'FAILURE' }],
  ] as const)('but not when %s', (_, report, changes) => {
    expect(failed(judged(report, changes))).toEqual([]);
  });
});
