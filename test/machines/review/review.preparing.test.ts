/**
 * The state `preparing`, one transition at a time: the checks before a job may wait for a slot, and how a patchset is
 * rejected.
 */
import { describe, expect, test } from 'vitest';
import type { PreparePlan, ResolvedChange } from '../../../src/machines/model/domain.ts';
import type { Effect } from '../../../src/machines/protocol/effects.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { ALL_FILES, type FileRules } from '../../../src/machines/trigger/rules/files.ts';
import { expectConsistent } from '../expect-consistent.ts';
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
import { voteInputs } from '../review-simulator.ts';
import { Simulator, succeed } from '../simulator.ts';

const begun = (plan: Partial<PreparePlan> = {}) => Simulator.unprepared(preparePlan(plan));
const resolved = (change: Partial<ResolvedChange> = {}): AnyEvent => ({
  type: 'change.looked-up',
  change: { ...RESOLVED, ...change },
});
const send = (event: AnyEvent): Effect => ({ type: 'sendEvent', to: JOB, event });
const NEEDED = { ...PATCHSET, project: 'openstack/nova', change: 7, patchset: 2 };

/** The events that were sent to the jobs. */
function eventsToJobs(simulator: Simulator): readonly AnyEvent[] {
  return simulator.undelivered.map(({ event }) => event);
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
    const simulator = begun();
    const merging = simulator.answer(REVIEW, 'lookUpChange:1', resolved({ dependencies: [NEEDED] }));
    expect(merging.state).toBe('preparing.merging');
    expect(merging.effects).toContainEqual({
      type: 'mergePatchset',
      key: 'mergePatchset:1',
      review: REVIEW,
      patchset: PATCHSET,
      dependencies: [NEEDED],
      timeoutMs: 400_000,
    });
    const released = simulator.answerType(REVIEW, 'mergePatchset');
    expect(released.state).toBe('awaitingJobs');
    expect(released.effects).toContainEqual(
      send({ type: 'job.ready', trees: [TREE], dependencies: [NEEDED] }),
    );
    expectConsistent(simulator);
  });

  test('has its jobs released as it was uploaded if nothing is merged', () => {
    const simulator = begun({ merge: false });
    const row = simulator.answerType(REVIEW, 'lookUpChange');
    expect([row.state, eventsToJobs(simulator)]).toEqual([
      'awaitingJobs',
      [{ type: 'job.ready', trees: [] }],
    ]);
  });

  test.each([{ status: 'merged' }, { current: 9 }, { wip: true }, { private: true }] as const)(
    'is tested even if %j, when an operator requested it',
    (change) => {
      const simulator = begun({ onlyCurrent: false });
      expect(simulator.answer(REVIEW, 'lookUpChange:1', resolved(change)).state).toBe('preparing.merging');
    },
  );

  test.each(['wip', 'private'] as const)('may be %s if configured', (which) => {
    const simulator = begun({ [which]: true });
    expect(simulator.answer(REVIEW, 'lookUpChange:1', resolved({ [which]: true })).state).toBe(
      'preparing.merging',
    );
  });
});

describe('a patchset that is rejected', () => {
  test.each<[Partial<ResolvedChange>, string, string]>([
    [{ status: 'missing', current: 0 }, 'ABORTED', 'the change no longer exists'],
    [{ status: 'merged' }, 'ABORTED', 'the change was merged'],
    [{ status: 'abandoned' }, 'ABORTED', 'the change was abandoned'],
    [{ current: 4 }, 'ABORTED', 'patchset 4 is the current one'],
    [{ branch: 'stable/1' }, 'ABORTED', 'the change was moved to branch stable/1'],
    [{ wip: true }, 'ABORTED', 'the change is work in progress'],
    [{ private: true }, 'ABORTED', 'the change is private'],
    [{ trouble: 'a cycle: 1 -> 2 -> 1' }, 'MERGER_FAILURE', 'a cycle: 1 -> 2 -> 1'],
  ])('because of %j', (change, verdict, reason) => {
    const simulator = begun();
    const row = simulator.answer(REVIEW, 'lookUpChange:1', resolved(change));
    expect([row.state, eventsToJobs(simulator)]).toEqual([
      'awaitingJobs',
      [{ type: 'job.rejected', verdict, reason }],
    ]);
    expectConsistent(simulator);
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
    const simulator = begun();
    simulator.answerType(REVIEW, 'lookUpChange');
    simulator.answerType(REVIEW, 'mergePatchset', event);
    expect(eventsToJobs(simulator)).toEqual([{ type: 'job.rejected', verdict: 'MERGER_FAILURE', reason }]);
    // A conflict is not reported: the author sees it in Gerrit.
    const report = jobReport({ verdict: 'MERGER_FAILURE', reason, url: null });
    expect(simulator.send(REVIEW, { type: 'job.reported', report }).state).toBe('done');
    expect(simulator.at(REVIEW).context.outcome).toBe('suppressed');
    expectConsistent(simulator);
  });

  test('because its dependencies form a cycle, with a comment and without a vote', () => {
    const simulator = begun();
    simulator.answer(REVIEW, 'lookUpChange:1', resolved({ trouble: 'a cycle: 1 -> 2 -> 1' }));
    const report = jobReport({ verdict: 'MERGER_FAILURE', reason: 'a cycle: 1 -> 2 -> 1', url: null });
    simulator.send(REVIEW, { type: 'job.reported', report });
    expect(voteInputs(simulator).effects).toContainEqual(
      expect.objectContaining({
        type: 'postReview',
        labels: {},
        message: expect.stringContaining('acme-dsvm: Nothing was tested: a cycle: 1 -> 2 -> 1.'),
      }),
    );
  });
});

describe('the files of the patchset', () => {
  const CODE: FileRules = { include: [], exclude: ['docs'] };
  const two = (first: FileRules, second: FileRules, plan: Partial<PreparePlan> = {}) => {
    const simulator = new Simulator(succeed);
    const jobs = [
      { job: JOB, name: 'acme-dsvm', voting: true, files: first },
      { job: 'job-2', name: 'acme-fc', voting: true, files: second },
    ];
    simulator.send(REVIEW, opened(reportSpec(), jobs, preparePlan(plan)));
    return simulator;
  };
  const docs = resolved({ files: ['doc/source/index.rst'] });
  const skipped = { type: 'job.rejected', verdict: 'SKIPPED', reason: 'only documentation is touched' };

  test('skip only the job that excludes all of them, before anything is merged', () => {
    const simulator = two(CODE, ALL_FILES);
    const row = simulator.answer(REVIEW, 'lookUpChange:1', docs);
    expect([row.state, simulator.undelivered]).toEqual(['preparing.merging', [send(skipped as AnyEvent)]]);
    simulator.answerType(REVIEW, 'mergePatchset');
    expect(simulator.undelivered.slice(1).map(({ to }) => to)).toEqual(['job-2']);
    expectConsistent(simulator);
  });

  test('skip all jobs: nothing is merged and nothing is posted', () => {
    const simulator = two(CODE, CODE);
    expect(simulator.answer(REVIEW, 'lookUpChange:1', docs).state).toBe('awaitingJobs');
    expect(eventsToJobs(simulator)).toEqual([skipped, skipped]);
    for (const job of [JOB, 'job-2']) {
      const report = jobReport({
        job,
        verdict: 'SKIPPED',
        reason: 'only documentation is touched',
        url: null,
      });
      simulator.send(REVIEW, { type: 'job.reported', report });
    }
    expect(outcomeOf(simulator)).toEqual(['done', 'suppressed']);
    expectConsistent(simulator);
  });

  test('skip nothing when one matches, there are too many, or an operator requested the run', () => {
    for (const [plan, files] of [
      [{}, ['doc/source/index.rst', 'cinder/api.py']],
      [{}, null],
      [{ onlyCurrent: false }, ['doc/source/index.rst']],
    ] as const) {
      const simulator = two(CODE, CODE, plan);
      expect(simulator.answer(REVIEW, 'lookUpChange:1', resolved({ files })).state).toBe('preparing.merging');
      expect(simulator.undelivered).toEqual([]);
    }
  });
});

function outcomeOf(simulator: Simulator): unknown {
  return [simulator.at(REVIEW).state, simulator.at(REVIEW).context.outcome];
}
