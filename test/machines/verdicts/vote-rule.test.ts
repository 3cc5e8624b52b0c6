/** The rule of the vote, case by case, and compared with a second implementation. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VERDICTS } from '../../../src/machines/model/verdict.ts';
import { PATCHSET_KINDS } from '../../../src/machines/trigger/rules/patchset-kind.ts';
import {
  type ActiveJob,
  computeVote,
  countingPatchset,
  earliestCounting,
  type VoteFacts,
  type VoteRun,
} from '../../../src/machines/verdicts/vote-rule.ts';
import { runs } from '../../fixtures/effort.ts';
import { bestAllowedVote, type ReferenceState, referenceVote } from '../vote-reference.ts';

const EVERY = { include: [], exclude: [] };
const VALUES = { success: 1, failure: -1, timedOut: 0 };
const OWN = 'review-2';

function job(name: string, changes: Partial<ActiveJob> = {}): ActiveJob {
  return { name, voting: true, startsUnasked: true, kinds: EVERY, ...changes };
}

function run(name: string, verdict: VoteRun['verdict'], changes: Partial<VoteRun> = {}): VoteRun {
  return {
    review: 'review-1',
    name,
    voting: true,
    patchset: 1,
    branch: 'master',
    admitted: 1,
    verdict,
    url: null,
    dependencies: '',
    readable: true,
    ...changes,
  };
}

function facts(runs: readonly VoteRun[], changes: Partial<VoteFacts> = {}): VoteFacts {
  return {
    values: VALUES,
    review: OWN,
    jobs: [job('a'), job('b')],
    current: 1,
    kinds: [{ patchset: 1, kind: 'REWORK' }],
    runs,
    prunedUpTo: 0,
    currentVote: 0,
    ...changes,
  };
}

const own = { review: OWN, admitted: 2 } as const;

describe('a partial run', () => {
  test('that succeeds after a failure of another job does not raise the vote', () => {
    const decision = computeVote(facts([run('a', 'FAILURE'), run('b', 'SUCCESS', own)], { currentVote: -1 }));
    expect(decision).toMatchObject({ value: null, statement: -1, reason: 'failure' });
  });

  test('that succeeds after a success of the other job raises the vote', () => {
    expect(computeVote(facts([run('a', 'SUCCESS'), run('b', 'SUCCESS', own)])).value).toBe(1);
  });

  test('that repairs the failed job raises the vote', () => {
    const runs = [run('a', 'FAILURE'), run('b', 'SUCCESS'), run('a', 'SUCCESS', own)];
    expect(computeVote(facts(runs, { currentVote: -1 })).value).toBe(1);
  });

  test('while another job has no verdict sends no label', () => {
    expect(computeVote(facts([run('b', 'SUCCESS', own)]))).toMatchObject({
      value: null,
      reason: 'no-verdict',
    });
    expect(computeVote(facts([run('a', null), run('b', 'SUCCESS', own)])).value).toBeNull();
  });

  test('does not restore a negative vote that a person removed', () => {
    const runs = [run('a', 'FAILURE'), run('b', 'SUCCESS', own)];
    expect(computeVote(facts(runs, { currentVote: 0 })).value).toBeNull();
  });

  test('removes a positive vote that a failure contradicts', () => {
    const runs = [run('a', 'FAILURE'), run('b', 'SUCCESS', own)];
    expect(computeVote(facts(runs, { currentVote: 1 })).value).toBe(0);
  });
});

test.each(['ABORTED', 'SKIPPED'] as const)('a run that is %s does not count', (verdict) => {
  const runs = [run('a', 'SUCCESS'), run('b', 'SUCCESS'), run('a', verdict, own)];
  expect(computeVote(facts(runs)).value).toBe(1);
});

test('an infrastructure failure neither hides a test failure nor counts as a success', () => {
  const failed = [run('a', 'FAILURE'), run('a', 'NODE_FAILURE', own), run('b', 'SUCCESS')];
  expect(computeVote(facts(failed)).statement).toBe(-1);
  const passed = [run('a', 'SUCCESS'), run('a', 'NODE_FAILURE', own), run('b', 'SUCCESS')];
  expect(computeVote(facts(passed)).reason).toBe('no-verdict');
});

test('the newest run is the one that was admitted last, even if another ended later', () => {
  const runs = [run('a', 'SUCCESS', { admitted: 3 }), run('a', 'FAILURE', own), run('b', 'SUCCESS')];
  expect(computeVote(facts(runs)).value).toBe(1);
});

test('a value of 0 is sent only to remove a better vote', () => {
  const runs = [run('a', 'FAILURE', own), run('b', 'SUCCESS')];
  const withoutVotes = { values: { success: 1, failure: 0, timedOut: 0 } };
  expect(
    [1, 0, -1].map((currentVote) => computeVote(facts(runs, { ...withoutVotes, currentVote })).value),
  ).toEqual([0, null, null]);
});

test('if the current vote could not be read, only a positive vote is withheld', () => {
  const currentVote = null;
  expect(
    computeVote(facts([run('a', 'SUCCESS'), run('b', 'SUCCESS', own)], { currentVote })).value,
  ).toBeNull();
  expect(computeVote(facts([run('a', 'FAILURE', own), run('b', 'SUCCESS')], { currentVote })).value).toBe(-1);
});

test('a failure without readable evidence does not give a negative vote', () => {
  const pending = run('a', 'FAILURE', { ...own, readable: false });
  const decide = (currentVote: number) =>
    computeVote(facts([pending, run('b', 'SUCCESS')], { currentVote })).value;
  expect([decide(1), decide(0), decide(-1)]).toEqual([0, null, null]);
  expect(computeVote(facts([pending, run('b', 'FAILURE', own)])).value).toBe(-1);
});

test('runs with different revisions of the dependencies do not give a success', () => {
  const runs = [run('a', 'SUCCESS', { dependencies: '7:aa' }), run('b', 'SUCCESS', own)];
  expect(computeVote(facts(runs))).toMatchObject({ value: null, reason: 'dependencies' });
});

describe('the configuration in force', () => {
  test('decides which jobs count: not a removed one, and not one that no longer votes', () => {
    const runs = [run('a', 'FAILURE'), run('b', 'SUCCESS', own)];
    expect(computeVote(facts(runs, { jobs: [job('b')] })).value).toBe(1);
    const jobs = [job('a', { voting: false }), job('b')];
    expect(computeVote(facts(runs, { jobs })).value).toBe(1);
  });

  test('applies a job that only comments start if it was run', () => {
    const jobs = [job('a'), job('b', { startsUnasked: false })];
    expect(computeVote(facts([run('a', 'SUCCESS', own)], { jobs })).value).toBe(1);
    const failed = [run('a', 'SUCCESS', own), run('b', 'FAILURE')];
    expect(computeVote(facts(failed, { jobs })).statement).toBe(-1);
  });

  test('gives no vote without a voting job', () => {
    expect(computeVote(facts([run('a', 'SUCCESS', own)], { jobs: [] }))).toMatchObject({
      value: null,
      reason: 'no-job',
    });
  });
});

describe('a patchset of a kind that a job excludes', () => {
  const kinds = [
    { patchset: 1, kind: 'REWORK' },
    { patchset: 2, kind: 'TRIVIAL_REBASE' },
    { patchset: 3, kind: 'NO_CODE_CHANGE' },
  ];
  const noRebases = { include: [], exclude: ['TRIVIAL_REBASE', 'NO_CODE_CHANGE'] };
  const jobs = [job('a', { kinds: noRebases }), job('b', { kinds: noRebases })];

  test('has the verdict of the nearest earlier one', () => {
    const runs = [run('a', 'SUCCESS'), run('b', 'SUCCESS', own)];
    const three = facts(runs, { jobs, kinds, current: 3 });
    expect(computeVote(three).value).toBe(1);
    expect(countingPatchset({ name: 'a', kinds: noRebases }, 3, three)).toBe(1);
    expect(earliestCounting(three)).toBe(1);
    const strict = facts(runs, { jobs: [job('a', { kinds: noRebases }), job('b')], kinds, current: 3 });
    expect(computeVote(strict).reason).toBe('no-verdict');
  });

  test('has its own verdict if the job was run on it', () => {
    const runs = [run('a', 'SUCCESS'), run('b', 'SUCCESS'), run('a', 'FAILURE', { ...own, patchset: 2 })];
    expect(computeVote(facts(runs, { jobs, kinds, current: 3 })).value).toBe(-1);
  });

  test('has none if runs in between may be pruned, or a kind is unknown', () => {
    const runs = [run('a', 'SUCCESS'), run('b', 'SUCCESS', own)];
    expect(computeVote(facts(runs, { jobs, kinds, current: 3, prunedUpTo: 2 })).reason).toBe('incomplete');
    expect(computeVote(facts(runs, { jobs, kinds: kinds.slice(2), current: 3 })).reason).toBe('incomplete');
  });
});

/** Inputs with up to five jobs and patchsets of all kinds. */
const inputs = fc
  .record({
    values: fc.record({
      success: fc.integer({ min: 0, max: 2 }),
      failure: fc.integer({ min: -2, max: 0 }),
      timedOut: fc.integer({ min: -1, max: 1 }),
    }),
    jobs: fc.array(
      fc.record({
        voting: fc.boolean(),
        startsUnasked: fc.boolean(),
        exclude: fc.subarray([...PATCHSET_KINDS]),
      }),
      { maxLength: 5 },
    ),
    kinds: fc.array(fc.constantFrom(...PATCHSET_KINDS), { minLength: 1, maxLength: 5 }),
    runs: fc.array(
      fc.record({
        review: fc.integer({ min: 1, max: 3 }),
        job: fc.nat(5),
        patchset: fc.nat(4),
        verdict: fc.option(
          fc.oneof(fc.constantFrom('SUCCESS' as const, 'FAILURE' as const), fc.constantFrom(...VERDICTS)),
        ),
        dependencies: fc.constantFrom('', '', '', '7:aa'),
        evidencePending: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
      }),
      { maxLength: 12 },
    ),
    currentVote: fc.option(fc.integer({ min: -2, max: 2 })),
  })
  .map(({ jobs, kinds, runs, ...rest }) => ({
    ...rest,
    kinds,
    jobs: jobs.map((one, index) => ({ ...one, name: `job-${index}` })),
    runs: runs.map((one, index) => ({
      ...one,
      review: `review-${one.review}`,
      job: `job-${one.job}`,
      patchset: (one.patchset % kinds.length) + 1,
      admitted: index,
    })),
  }));

test('agrees with a second implementation of the rules, for any input', () => {
  const sent = new Map<number | null, number>();
  fc.assert(
    fc.property(inputs, ({ values, jobs, kinds, runs, currentVote }) => {
      const reference: ReferenceState = {
        values,
        jobs: jobs.map(({ exclude, ...one }) => ({ ...one, passesOver: exclude })),
        kinds,
        runs,
        currentVote,
        review: OWN,
      };
      const { value } = computeVote({
        values,
        review: OWN,
        jobs: jobs.map(({ exclude, ...one }) => ({ ...one, kinds: { include: [], exclude } })),
        current: kinds.length,
        kinds: kinds.map((kind, index) => ({ patchset: index + 1, kind })),
        runs: runs.map(({ job: name, evidencePending, ...one }) => ({
          ...one,
          name,
          voting: true,
          branch: 'master',
          url: null,
          readable: !evidencePending,
        })),
        prunedUpTo: 0,
        currentVote,
      });
      sent.set(value, (sent.get(value) ?? 0) + 1);
      expect(value).toBe(referenceVote(reference));
      expect(value ?? Number.NEGATIVE_INFINITY).toBeLessThanOrEqual(bestAllowedVote(reference));
    }),
    { numRuns: runs(5_000) },
  );
  // The inputs give all possible values.
  expect([...sent.keys()].sort()).toEqual([-1, -2, 0, 1, 2, null].sort());
});
