/**
 * preparing, one move at a time: what is asked before any job may wait for a slot, what is refused and how, and that
 * what Gerrit and git say late or never does no harm.
 */
import { describe, expect, test } from 'vitest';
import type { PreparePlan, ResolvedChange } from '../../../src/machines/model/domain.ts';
import type { Effect } from '../../../src/machines/protocol/effects.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { ALL_FILES, type FileRules } from '../../../src/machines/trigger/rules/files.ts';
import {
  JOB,
  jobReport,
  opened,
  PATCHSET,
  preparePlan,
  RESOLVED,
  REVIEW,
  reportSpec,
  START,
  TREE,
} from '../facts.ts';
import { orderly } from '../orderly.ts';
import { voteInputs } from '../review-world.ts';
import { answerWell, Simulator } from '../simulator.ts';

const begun = (plan: Partial<PreparePlan> = {}) => Simulator.unprepared(preparePlan(plan));
const resolved = (change: Partial<ResolvedChange> = {}): AnyEvent => ({
  type: 'change.looked-up',
  change: { ...RESOLVED, ...change },
});
const send = (event: AnyEvent): Effect => ({ type: 'sendEvent', to: JOB, event });
const NEEDED = { ...PATCHSET, project: 'openstack/nova', change: 7, patchset: 2 };

/** What the jobs were told last. */
function eventsSentTo(world: Simulator): readonly AnyEvent[] {
  return world.undelivered.map(({ event }) => event);
}

describe('a patchset that can be tested', () => {
  test('is looked up first', () => {
    const [row] = begun().rowsOf(REVIEW);
    expect([row?.state, row?.effects]).toEqual([
      'preparing.lookingUp',
      [
        {
          type: 'lookUpChange',
          key: 'lookUpChange:1',
          patchset: PATCHSET,
          dependencyLimit: 10,
          timeoutMs: 60_000,
        },
        { type: 'setTimer', key: 'deadline:lookingUp:1', dueAt: START + 120_000, delayMs: 120_000 },
      ],
    ]);
  });

  test('is merged with its dependencies, and its jobs are released with the merged trees', () => {
    const world = begun();
    const merging = world.answer(REVIEW, 'lookUpChange:1', resolved({ dependencies: [NEEDED] }));
    expect(merging.state).toBe('preparing.merging');
    expect(merging.effects).toContainEqual({
      type: 'mergePatchset',
      key: 'mergePatchset:1',
      review: REVIEW,
      patchset: PATCHSET,
      dependencies: [NEEDED],
      timeoutMs: 400_000,
    });
    const released = world.answerType(REVIEW, 'mergePatchset');
    expect(released.state).toBe('awaitingJobs');
    expect(released.effects).toContainEqual(
      send({ type: 'job.ready', trees: [TREE], dependencies: [NEEDED] }),
    );
    orderly(world);
  });

  test('is released as uploaded if nothing is merged', () => {
    const world = begun({ merge: false });
    const row = world.answerType(REVIEW, 'lookUpChange');
    expect([row.state, eventsSentTo(world)]).toEqual(['awaitingJobs', [{ type: 'job.ready', trees: [] }]]);
  });

  test.each([{ status: 'merged' }, { current: 9 }, { wip: true }, { private: true }] as const)(
    'by hand is tested even if %j',
    (change) => {
      const world = begun({ onlyCurrent: false });
      expect(world.answer(REVIEW, 'lookUpChange:1', resolved(change)).state).toBe('preparing.merging');
    },
  );

  test.each(['wip', 'private'] as const)('may be %s if configured', (which) => {
    const world = begun({ [which]: true });
    expect(world.answer(REVIEW, 'lookUpChange:1', resolved({ [which]: true })).state).toBe(
      'preparing.merging',
    );
  });
});

describe('a patchset that is rejected', () => {
  test.each<[Partial<ResolvedChange>, string, string]>([
    [{ status: 'missing', current: 0 }, 'ABORTED', 'the change is not there any more'],
    [{ status: 'merged' }, 'ABORTED', 'the change was merged'],
    [{ status: 'abandoned' }, 'ABORTED', 'the change was abandoned'],
    [{ current: 4 }, 'ABORTED', 'patchset 4 is the current one'],
    [{ branch: 'stable/1' }, 'ABORTED', 'the change was moved to branch stable/1'],
    [{ wip: true }, 'ABORTED', 'the change is work in progress'],
    [{ private: true }, 'ABORTED', 'the change is private'],
    [{ trouble: 'a cycle: 1 -> 2 -> 1' }, 'MERGER_FAILURE', 'a cycle: 1 -> 2 -> 1'],
  ])('because of %j', (change, verdict, reason) => {
    const world = begun();
    const row = world.answer(REVIEW, 'lookUpChange:1', resolved(change));
    expect([row.state, eventsSentTo(world)]).toEqual([
      'awaitingJobs',
      [{ type: 'job.rejected', verdict, reason }],
    ]);
    orderly(world);
  });

  const conflicted = (files: readonly string[], change = PATCHSET.change): AnyEvent => {
    return { type: 'patchset.conflicted', project: 'openstack/cinder', change, branch: 'master', files };
  };

  test.each([
    [conflicted(['setup.cfg']), 'the patch does not merge with master of openstack/cinder: setup.cfg'],
    [conflicted([]), 'the patch does not merge with master of openstack/cinder'],
    [
      conflicted(['a', 'b', 'c', 'd', 'e', 'f', 'g'], 7),
      'change 7, which it depends on, does not merge with master of openstack/cinder: a, b, c, d, e and 2 more',
    ],
  ])('because of a conflict, %#', (event, reason) => {
    const world = begun();
    world.answerType(REVIEW, 'lookUpChange');
    world.answerType(REVIEW, 'mergePatchset', event);
    expect(eventsSentTo(world)).toEqual([{ type: 'job.rejected', verdict: 'MERGER_FAILURE', reason }]);
    // Nothing is said on a conflict: the author sees it in Gerrit.
    const report = jobReport({ verdict: 'MERGER_FAILURE', reason, url: null });
    expect(world.send(REVIEW, { type: 'job.reported', report }).state).toBe('done');
    expect(world.at(REVIEW).context.outcome).toBe('suppressed');
    orderly(world);
  });

  test('because its dependencies form a cycle, with a comment and without a vote', () => {
    const world = begun();
    world.answer(REVIEW, 'lookUpChange:1', resolved({ trouble: 'a cycle: 1 -> 2 -> 1' }));
    const report = jobReport({ verdict: 'MERGER_FAILURE', reason: 'a cycle: 1 -> 2 -> 1', url: null });
    world.send(REVIEW, { type: 'job.reported', report });
    expect(voteInputs(world).effects).toContainEqual(
      expect.objectContaining({
        type: 'postReview',
        labels: {},
        message: expect.stringContaining('acme-dsvm: Nothing was tested: a cycle: 1 -> 2 -> 1.'),
      }),
    );
  });
});

describe('files that the patchset touches', () => {
  const CODE: FileRules = { include: [], exclude: ['docs'] };
  const two = (first: FileRules, second: FileRules, plan: Partial<PreparePlan> = {}) => {
    const world = new Simulator(answerWell);
    const jobs = [
      { job: JOB, name: 'acme-dsvm', voting: true, files: first },
      { job: 'job-2', name: 'acme-fc', voting: true, files: second },
    ];
    world.send(REVIEW, opened(reportSpec(), jobs, preparePlan(plan)));
    return world;
  };
  const docs = resolved({ files: ['doc/source/index.rst'] });
  const skipped = { type: 'job.rejected', verdict: 'SKIPPED', reason: 'only documentation is touched' };

  test('skip the one job that none of them concerns, before anything is merged', () => {
    const world = two(CODE, ALL_FILES);
    const row = world.answer(REVIEW, 'lookUpChange:1', docs);
    expect([row.state, world.undelivered]).toEqual(['preparing.merging', [send(skipped as AnyEvent)]]);
    world.answerType(REVIEW, 'mergePatchset');
    expect(world.undelivered.slice(1).map(({ to }) => to)).toEqual(['job-2']);
    orderly(world);
  });

  test('skip all jobs: nothing is merged and nothing is posted', () => {
    const world = two(CODE, CODE);
    expect(world.answer(REVIEW, 'lookUpChange:1', docs).state).toBe('awaitingJobs');
    expect(eventsSentTo(world)).toEqual([skipped, skipped]);
    for (const job of [JOB, 'job-2']) {
      const report = jobReport({
        job,
        verdict: 'SKIPPED',
        reason: 'only documentation is touched',
        url: null,
      });
      world.send(REVIEW, { type: 'job.reported', report });
    }
    expect(outcomeOf(world)).toEqual(['done', 'suppressed']);
    orderly(world);
  });

  test('skip nothing when one matches, there are too many, or an operator requested the run', () => {
    for (const [plan, files] of [
      [{}, ['doc/source/index.rst', 'cinder/api.py']],
      [{}, null],
      [{ onlyCurrent: false }, ['doc/source/index.rst']],
    ] as const) {
      const world = two(CODE, CODE, plan);
      expect(world.answer(REVIEW, 'lookUpChange:1', resolved({ files })).state).toBe('preparing.merging');
      expect(world.undelivered).toEqual([]);
    }
  });
});

function outcomeOf(world: Simulator): unknown {
  return [world.at(REVIEW).state, world.at(REVIEW).context.outcome];
}
