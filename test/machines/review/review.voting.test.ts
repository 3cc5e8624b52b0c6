/** Reviews that need permission before they vote. */
import { describe, expect, test } from 'vitest';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import type { ReportSpec } from '../../../src/machines/model/report-spec.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { VOTING } from '../../../src/machines/system/voting.ts';
import { expectConsistent } from '../expect-consistent.ts';
import { jobReport, REVIEW, reportSpec } from '../facts.ts';
import { voteInputs } from '../review-simulator.ts';
import { Simulator } from '../simulator.ts';

const reported = (changes: Partial<JobReport> = {}): AnyEvent => ({
  type: 'job.reported',
  report: jobReport(changes),
});

/** A review whose only job has reported, with or without a history of voting. */
function judged(report: Partial<ReportSpec>, changes: Partial<JobReport>, voting = true): Simulator {
  const simulator = Simulator.review(reportSpec({ maxConsecutiveFailures: 1, ...report }));
  if (voting) simulator.send(VOTING, { type: 'voting.opened' });
  simulator.send(REVIEW, reported(changes));
  return simulator;
}

function posts(simulator: Simulator): readonly unknown[] {
  voteInputs(simulator);
  return simulator
    .rowsOf(REVIEW)
    .flatMap((row) => row.effects.flatMap((effect) => (effect.type === 'postReview' ? [effect.labels] : [])));
}

describe('a review requests permission before it posts', () => {
  test('and votes when it is granted', () => {
    const simulator = judged({ maxConsecutiveFailures: 2 }, { verdict: 'FAILURE' });
    expect(posts(simulator)).toEqual([{ Verified: -1 }]);
    expect(simulator.run().at(REVIEW)).toMatchObject({
      state: 'done',
      context: { withheld: '', outcome: 'posted' },
    });
    expectConsistent(simulator);
  });

  test('and posts without a vote if the account may not vote', () => {
    const simulator = judged({}, { verdict: 'FAILURE' });
    expect(posts(simulator)).toEqual([{}]);
    // There is no vote to read back.
    simulator.answerType(REVIEW, 'postReview');
    const withheld = 'voting stopped after failures on too many changes in a row';
    expect(simulator.at(REVIEW)).toMatchObject({ state: 'done', context: { withheld, outcome: 'posted' } });
    expectConsistent(simulator);
  });

  test('and posts without a vote if there is no response, and the comment names the reason', () => {
    const simulator = judged({}, {}, false);
    expect(simulator.at(REVIEW).state).toBe('checkingVotePermission');
    simulator.fire(REVIEW);
    expect(posts(simulator)).toEqual([{}]);
    expect(simulator.pendingEffects(REVIEW)).toContainEqual(
      expect.objectContaining({
        type: 'postReview',
        message: expect.stringContaining('No vote: the permission to vote was not confirmed in time.'),
      }),
    );
    // A late answer changes nothing.
    simulator.send(REVIEW, { type: 'vote.allowed' });
    expect(simulator.at(REVIEW).state).toBe('posting.sending');
    expect(simulator.at(REVIEW).context.withheld).not.toBe('');
    expectConsistent(simulator);
  });

  test('and is withdrawn while it waits', () => {
    const simulator = judged({}, {}, false);
    simulator.send(REVIEW, { type: 'review.superseded', by: '912345,4' });
    expect(simulator.at(REVIEW)).toMatchObject({ state: 'done', context: { outcome: 'withdrawn' } });
    expectConsistent(simulator);
  });
});

describe('a review is counted', () => {
  const failed = (simulator: Simulator) => simulator.at(VOTING).context.failed;

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
