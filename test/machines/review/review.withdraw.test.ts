/**
 * Cancel and supersede, in every state of a review and with every late answer: a post stays, and no second one is
 * requested.
 */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { otherAnswers } from '../answers.ts';
import { expectConsistent } from '../expect-consistent.ts';
import { failure, jobReport, REVIEW } from '../facts.ts';
import { outcome } from '../review-simulator.ts';
import { Simulator, succeed } from '../simulator.ts';

const reported = (changes = {}): AnyEvent => ({ type: 'job.reported', report: jobReport(changes) });
const cancelled: AnyEvent = { type: 'review.cancelled', reason: 'the change was abandoned' };
const superseded: AnyEvent = { type: 'review.superseded', by: '912345,4' };
const refused: AnyEvent = { type: 'vote.rejected', failure: failure('vote', { retryable: false }) };
const unposted = (retryable: boolean): AnyEvent => ({
  type: 'review.post-failed',
  failure: failure('post review', { retryable }),
});
/** Forks of successful and failing reviews, one for each state and set of effects in flight. */
function situations(): readonly (readonly [string, Simulator])[] {
  const found = new Map<string, readonly [string, Simulator]>();
  const stories = answersByStory();
  for (const [name, answers] of stories) {
    const simulator = Simulator.review();
    simulator.answers = answers;
    simulator.send(REVIEW, reported({ verdict: 'FAILURE', reason: '1 of 3 tests failed: test_a' }));
    do {
      const inFlight = simulator.inFlight(REVIEW).map((effect) => effect.key);
      const key = `${simulator.at(REVIEW).state} [${inFlight.join(' ')}]`;
      if (!found.has(key)) found.set(key, [`${name}: ${key}`, simulator.fork()]);
    } while (simulator.next());
  }
  return [['awaitingJobs []', Simulator.review()], ...found.values()];
}

function answersByStory(): readonly [string, Simulator['answers']][] {
  return [
    ['well', succeed],
    ['vote rejected', (effect, it) => (effect.type === 'postReview' ? refused : succeed(effect, it))],
    ['post failed', (effect, it) => (effect.type === 'postReview' ? unposted(true) : succeed(effect, it))],
    ['silent', (effect, it) => (effect.type === 'postReview' ? null : succeed(effect, it))],
    ['no votes', (effect, it) => (effect.type === 'readVotes' ? null : succeed(effect, it))],
  ];
}

describe.each([cancelled, superseded])('$type', (event) => {
  test.each(situations())('at %s: no second post, and a review that is posted stays so', (_, start) => {
    const posted = start.rowsOf(REVIEW).some((row) => row.type === 'review.posted');
    const inFlight = start.inFlight(REVIEW);
    const variants = inFlight.flatMap((effect) =>
      [undefined, ...otherAnswers(effect)].map((it) => [effect, it] as const),
    );
    for (const variant of [null, ...variants]) {
      const simulator = start.fork();
      simulator.answers = succeed;
      const from = simulator.send(REVIEW, event).version;
      if (variant !== null) simulator.answer(REVIEW, variant[0].key, variant[1]);
      simulator.run();
      expect(simulator.at(REVIEW).ended).toBe(true);
      const after = simulator.rowsOf(REVIEW).slice(from - 1);
      expect(after.flatMap((row) => row.effects.filter((effect) => effect.type === 'postReview'))).toEqual(
        [],
      );
      const nowPosted = posted || after.some((row) => row.type === 'review.posted');
      if (nowPosted) expect(outcome(simulator)).toEqual(['done', 'posted']);
      else expect(outcome(simulator)).not.toContain('posted');
      expectConsistent(simulator);
    }
  });
});
