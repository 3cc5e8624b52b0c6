/** The complete table of verdicts: which ends of tests are a FAILURE, and which never are. */
import { describe, expect, test } from 'vitest';
import type { ResultsSummary, StageEnd } from '../../../src/machines/model/domain.ts';
import { judgeTesting, stageProblem } from '../../../src/machines/model/judge-testing.ts';
import type { Verdict } from '../../../src/machines/model/verdict.ts';
import { FAILED, FAILED_TASK, jobSpec, PASSED } from '../facts.ts';

const exited = (code: number): StageEnd => ({ how: 'exited', code });
const NONE: ResultsSummary = { passed: 0, failed: 0, skipped: 0, failures: [] };
const SKIPPED: ResultsSummary = { ...NONE, skipped: 9 };
const KEPT = { format: 'tap', file: 'results.tap' } as const;

describe('a stage of setup', () => {
  test.each<[StageEnd, string | null]>([
    [exited(0), null],
    [exited(1), 'stacking: its command exited with 1'],
    [
      { how: 'exited', code: 2, failedTask: FAILED_TASK },
      'stacking: failed at task "Run stack.sh" on node: exit code 1: nova-api did not start',
    ],
    [exited(126), 'stacking: the command could not be executed (exit 126)'],
    [exited(127), 'stacking: the command was not found (exit 127)'],
    [{ how: 'killed', signal: 9 }, 'stacking was killed by signal 9'],
    [{ how: 'timedOut' }, 'stacking exceeded its timeout'],
    [{ how: 'stopped' }, 'stacking exceeded its timeout and was stopped'],
  ])('that ended %j: %s', (end, trouble) => {
    expect(stageProblem('stacking', end)).toBe(trouble);
  });
});

describe('tests', () => {
  test.each<[StageEnd, ResultsSummary | null, 'kept' | 'none', 'declared' | 'undeclared', Verdict]>([
    // end, results, results configured, exit code declared to be the result
    [exited(0), PASSED, 'kept', 'undeclared', 'SUCCESS'],
    [exited(0), PASSED, 'kept', 'declared', 'SUCCESS'],
    [exited(0), FAILED, 'kept', 'undeclared', 'FAILURE'],
    [exited(0), FAILED, 'kept', 'declared', 'FAILURE'],
    [exited(1), FAILED, 'kept', 'undeclared', 'FAILURE'],
    [exited(1), FAILED, 'kept', 'declared', 'FAILURE'],
    [exited(1), PASSED, 'kept', 'undeclared', 'POST_FAILURE'],
    [exited(1), PASSED, 'kept', 'declared', 'FAILURE'],
    [exited(0), NONE, 'kept', 'undeclared', 'POST_FAILURE'],
    [exited(0), SKIPPED, 'kept', 'undeclared', 'POST_FAILURE'],
    [exited(0), SKIPPED, 'kept', 'declared', 'POST_FAILURE'],
    [exited(1), NONE, 'kept', 'undeclared', 'POST_FAILURE'],
    [exited(0), null, 'kept', 'undeclared', 'POST_FAILURE'],
    [exited(1), null, 'kept', 'undeclared', 'POST_FAILURE'],
    [exited(0), null, 'kept', 'declared', 'POST_FAILURE'],
    [exited(1), null, 'kept', 'declared', 'FAILURE'],
    [exited(0), null, 'none', 'undeclared', 'POST_FAILURE'],
    [exited(1), null, 'none', 'undeclared', 'POST_FAILURE'],
    [exited(0), null, 'none', 'declared', 'SUCCESS'],
    [exited(255), null, 'none', 'declared', 'FAILURE'],
  ])('ended %j with results %j (%s, exit code %s): %s', (end, results, kept, declared, verdict) => {
    const spec = jobSpec({
      results: kept === 'kept' ? KEPT : null,
      exitCodeIsResult: declared === 'declared',
    });
    const judged = judgeTesting(end, results, 'results.tap is missing', spec);
    expect(judged.verdict).toBe(verdict);
    expect(judged.reason === '').toBe(verdict === 'SUCCESS');
  });

  test.each<[number, number, number, Verdict]>([
    [10, 10, 0, 'SUCCESS'],
    [9, 10, 0, 'POST_FAILURE'],
    [9, 10, 1, 'FAILURE'],
  ])('%i passed, %i expected, %i failed: %s', (passed, expected, failed, verdict) => {
    const results = { passed, failed, skipped: 50, failures: [] };
    const judged = judgeTesting(exited(0), results, '', jobSpec({ results: { ...KEPT, expected } }));
    expect(judged.verdict).toBe(verdict);
    if (verdict === 'POST_FAILURE') expect(judged.reason).toBe('9 tests passed, 10 are expected');
  });

  const ends: readonly StageEnd[] = [
    exited(126),
    exited(127),
    { how: 'killed', signal: 9 },
    { how: 'timedOut' },
    { how: 'stopped' },
  ];
  const anything = [null, PASSED, FAILED, NONE].flatMap((results) =>
    [true, false].flatMap((exitCodeIsResult) => ends.map((end) => ({ end, results, exitCodeIsResult }))),
  );
  test.each(anything)('that could not run, or were killed or stopped, are never a result: %j', (given) => {
    const spec = jobSpec({ exitCodeIsResult: given.exitCodeIsResult });
    const { verdict } = judgeTesting(given.end, given.results, '', spec);
    const timedOut = given.end.how === 'timedOut' || given.end.how === 'stopped';
    expect(verdict).toBe(timedOut ? 'TIMED_OUT' : 'NODE_FAILURE');
  });

  test.each<[number, readonly string[], string]>([
    [1, ['a'], '1 of 3 tests failed: a'],
    [3, ['a', 'b', 'c'], '3 of 5 tests failed: a, b, c'],
    [4, ['a', 'b', 'c', 'd'], '4 of 6 tests failed: a, b, c and 1 more'],
    [50, ['a'], '50 of 52 tests failed: a and 49 more'],
    [2, [], '2 of 4 tests failed'],
  ])('%i failures are counted, the first named', (failed, failures, reason) => {
    const results = { passed: 2, failed, skipped: 0, failures };
    expect(judgeTesting(exited(1), results, '', jobSpec()).reason).toBe(reason);
  });
});
