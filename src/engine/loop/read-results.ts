/**
 * Reads the results of a stage. The results of single tests are stored before the event that settles the effect: after a
 * crash in between, the effect is performed again and replaces them.
 */
import type { TestResult } from '../../machines/model/test-result.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { Adapters, EffectOf } from '../ports/adapters.ts';
import type { TestsRead } from '../ports/test-history.ts';
import { withTimeout } from './effect-timeout.ts';
import type { Performance } from './perform.ts';

/** Tests whose texts are searched for secrets without a pause, about 10 ms. */
const TESTS_AT_ONCE = 200;

/** Hides secrets in the names and errors of tests, which come from the node. */
export function readResults(effect: EffectOf<'readResults'>, performance: Performance): Promise<AnyEvent> {
  const { runner, hide } = performance.adapters;
  return withTimeout(effect, performance, async (signal) => {
    const read = await runner.readResults(effect.server, effect.results, effect.timeoutMs, signal);
    const { tests, ...results } = read;
    if (tests !== undefined) {
      const hidden = await withoutSecrets(tests, hide);
      // After the effect was abandoned, the job may be in its next attempt.
      signal.throwIfAborted();
      performance.recordTests(hidden);
    }
    if ('unreadable' in results) return { type: 'results.read-failed', why: hide(results.unreadable) };
    return { type: 'results.read', results: { ...results, failures: results.failures.map(hide) } };
  });
}

async function withoutSecrets({ tests, problem }: TestsRead, hide: Adapters['hide']): Promise<TestsRead> {
  const hidden: TestResult[] = [];
  for (const test of tests) {
    const { id, error } = test;
    hidden.push({ ...test, id: hide(id), error: error === null ? null : hide(error) });
    if (hidden.length % TESTS_AT_ONCE === 0) await pause();
  }
  return { tests: hidden, problem: problem === null ? null : hide(problem) };
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
