/**
 * Verdicts from the end of a stage. A failed test is a result, and so is a non-zero exit with `exitCodeIsResult`. All
 * other problems are never FAILURE: a command that could not run, was killed or lost, or left no readable results.
 */
import type { JobSpec, ResultsSummary, Stage, StageEnd } from './domain.ts';
import type { Verdict } from './verdict.ts';

type Exited = Extract<StageEnd, { how: 'exited' }>;

export interface Judgement {
  readonly verdict: Verdict;
  readonly reason: string;
}

/** What is wrong with the end of a stage; null when its command succeeded. */
export function stageProblem(stage: Stage, end: StageEnd): string | null {
  switch (end.how) {
    case 'exited':
      return end.code === 0
        ? null
        : `${stage}: ${taskText(end) ?? couldNotRun(end.code) ?? `its command exited with ${end.code}`}`;
    case 'killed':
      return `${stage} was killed by signal ${end.signal}`;
    case 'timedOut':
      return `${stage} exceeded its timeout`;
    case 'stopped':
      return `${stage} exceeded its timeout and was stopped`;
  }
}

/** The verdict on a test stage that ended. `results` is null when they could not be read or none are expected. */
export function judgeTesting(
  end: StageEnd,
  results: ResultsSummary | null,
  unreadable: string,
  spec: Pick<JobSpec, 'results' | 'exitCodeIsResult'>,
): Judgement {
  const problem = stageProblem('testing', end) ?? '';
  if (end.how === 'timedOut' || end.how === 'stopped') return { verdict: 'TIMED_OUT', reason: problem };
  if (end.how === 'killed' || couldNotRun(end.code) !== null)
    return { verdict: 'NODE_FAILURE', reason: problem };
  if (results !== null && results.failed > 0) return failedTests(results);
  if (spec.exitCodeIsResult && end.code !== 0) {
    return { verdict: 'FAILURE', reason: exitText(end) };
  }
  if (results !== null) return judgeResults(end, results, spec.results?.expected ?? 1);
  // Exit 0 alone is a success only if no results are expected.
  if (spec.exitCodeIsResult && spec.results === null) return { verdict: 'SUCCESS', reason: '' };
  return {
    verdict: 'POST_FAILURE',
    reason: `${exitText(end)}, and its results could not be read: ${unreadable}`,
  };
}

function failedTests(results: ResultsSummary): Judgement {
  const total = results.passed + results.failed;
  const named = results.failures.slice(0, 3);
  const rest = results.failed - named.length;
  const more = rest > 0 && named.length > 0 ? ` and ${rest} more` : '';
  const names = named.length > 0 ? `: ${named.join(', ')}${more}` : '';
  return { verdict: 'FAILURE', reason: `${results.failed} of ${total} tests failed${names}` };
}

function judgeResults(end: Exited, results: ResultsSummary, expected: number): Judgement {
  if (end.code !== 0) return { verdict: 'POST_FAILURE', reason: `no test failed, but ${exitText(end)}` };
  if (results.passed === 0) return { verdict: 'POST_FAILURE', reason: 'no test was run' };
  if (results.passed < expected)
    return { verdict: 'POST_FAILURE', reason: `${results.passed} tests passed, ${expected} are expected` };
  return { verdict: 'SUCCESS', reason: '' };
}

/** `22 passed, 2 failed, 1 skipped`, without the zeros of failed and skipped. */
export function resultsText({
  passed,
  failed,
  skipped,
}: Pick<ResultsSummary, 'passed' | 'failed' | 'skipped'>): string {
  const others = [failed > 0 ? [`${failed} failed`] : [], skipped > 0 ? [`${skipped} skipped`] : []];
  return [`${passed} passed`, ...others.flat()].join(', ');
}

function exitText(end: Exited): string {
  return `testing ${taskText(end) ?? `exited with ${end.code}`}`;
}

/** Null: the stage is not a playbook, or none of its tasks failed. */
export function taskText({ failedTask }: Exited): string | null {
  if (failedTask === undefined) return null;
  const { task, host, message } = failedTask;
  return `failed at task "${task}" on ${host}${message === '' ? '' : `: ${message}`}`;
}

/** Exit codes by which a shell reports that it could not run the program (POSIX, Shell Command Language 2.8.2). */
export function couldNotRun(code: number): string | null {
  if (code === 126) return 'the command could not be executed (exit 126)';
  if (code === 127) return 'the command was not found (exit 127)';
  return null;
}
