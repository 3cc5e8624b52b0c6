/** A review of which a job's evidence could not be published yet: it waits a named time, then posts without a negative vote. */
import { describe, expect, test } from 'vitest';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import { JOB, jobReport, REVIEW, reportSpec } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { weighed } from '../review-world.ts';
import { Simulator } from '../simulator.ts';

const URL = 'https://logs.example.org/later/';

/** A review that has its only job's report. */
function pending(changes: Partial<JobReport>): Simulator {
  const world = Simulator.review(reportSpec({ evidenceWaitMs: 600_000 }));
  const report = jobReport({ evidence: 'pending', url: URL, ...changes });
  world.tell(REVIEW, { type: 'job.reported', report });
  return world;
}

function posts(world: Simulator): readonly unknown[] {
  weighed(world);
  return world
    .rowsOf(REVIEW)
    .flatMap((row) => row.effects.flatMap((effect) => (effect.type === 'postReview' ? [effect.labels] : [])));
}

describe('a review with pending evidence', () => {
  test('waits for it, and votes against the patch once it is published', () => {
    const world = pending({ verdict: 'FAILURE' });
    expect(world.at(REVIEW).state).toBe('waitingForLogs');
    expect(posts(world)).toEqual([]);
    world.tell(REVIEW, { type: 'job.published', job: JOB, url: URL });
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
      world.tell(REVIEW, { type: 'job.published', job: JOB, url: URL });
      world.run();
      world.tell(REVIEW, { type: 'job.published', job: JOB, url: URL });
      expect(posts(world)).toEqual([{}]);
      orderly(world);
    },
  );

  test('gives its positive vote all the same', () => {
    const world = pending({ verdict: 'SUCCESS' });
    world.fire(REVIEW);
    expect(posts(world)).toEqual([{ Verified: 1 }]);
    orderly(world.run());
  });

  test('gives no vote for a failure of which the evidence was given up', () => {
    const world = pending({ verdict: 'FAILURE' });
    world.tell(REVIEW, { type: 'job.unpublished', job: JOB, why: 'too old' });
    expect(posts(world)).toEqual([{}]);
    expect(world.at(REVIEW).context.reports).toMatchObject([{ evidence: 'none', url: null }]);
    orderly(world.run());
  });

  test('is withdrawn like any other that has posted nothing', () => {
    const world = pending({ verdict: 'FAILURE' });
    world.tell(REVIEW, { type: 'review.superseded', by: '912345,4' });
    expect(world.at(REVIEW)).toMatchObject({ state: 'done', context: { outcome: 'withdrawn' } });
    expect(posts(world)).toEqual([]);
  });
});
