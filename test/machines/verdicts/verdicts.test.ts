/** The verdicts of one change: which are kept, which review may post, and which are pruned. */
import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../../src/machines/model/verdict.ts';
import { type VerdictsContext, verdictsOf } from '../../../src/machines/verdicts/verdicts.ts';
import { expectConsistent } from '../expect-consistent.ts';
import { PATCHSET } from '../facts.ts';
import { Simulator } from '../simulator.ts';

const HISTORY = verdictsOf(PATCHSET);

function admit(
  simulator: Simulator,
  review: string,
  patchset = 1,
  names: readonly string[] = ['acme'],
): void {
  const jobs = names.map((name) => ({ job: `${review}-${name}`, name, voting: true }));
  simulator.send(HISTORY, { type: 'runs.admitted', review, patchset, branch: PATCHSET.branch, jobs });
}

function end(simulator: Simulator, review: string, verdict: Verdict, name = 'acme'): void {
  const job = `${review}-${name}`;
  simulator.send(HISTORY, { type: 'run.ended', job, verdict, url: null, dependencies: '', readable: true });
}

const endReview = (simulator: Simulator, review: string) =>
  simulator.send(HISTORY, { type: 'review.ended', review });
const requestTurn = (simulator: Simulator, review: string) =>
  simulator.send(HISTORY, { type: 'turn.requested', review });
const context = (simulator: Simulator) => simulator.at(HISTORY).context as unknown as VerdictsContext;
const kept = (simulator: Simulator) => context(simulator).runs.map(({ job, verdict }) => `${job} ${verdict}`);

describe('a turn', () => {
  test('is granted to one review at a time, in the order of requests', () => {
    const simulator = new Simulator();
    for (const review of ['r1', 'r2', 'r3']) admit(simulator, review);
    const granted = { type: 'sendEvent', to: 'r1', event: { type: 'turn.granted' } };
    expect(requestTurn(simulator, 'r1').effects).toEqual([granted]);
    expect([requestTurn(simulator, 'r3').effects, requestTurn(simulator, 'r2').effects]).toEqual([[], []]);
    expect(endReview(simulator, 'r1').effects).toEqual([{ ...granted, to: 'r3' }]);
    expect(endReview(simulator, 'r3').effects).toEqual([{ ...granted, to: 'r2' }]);
    expect(endReview(simulator, 'r2').effects).toEqual([]);
    expect(simulator.at(HISTORY)).toMatchObject({ state: 'idle', ended: true });
    expectConsistent(simulator);
  });

  test('is not granted to a review that ended while it waited', () => {
    const simulator = new Simulator();
    for (const review of ['r1', 'r2', 'r3']) admit(simulator, review);
    for (const review of ['r1', 'r2', 'r3']) requestTurn(simulator, review);
    endReview(simulator, 'r2');
    expect(endReview(simulator, 'r1').effects).toMatchObject([{ to: 'r3' }]);
    expectConsistent(simulator);
  });

  test('is granted to a review that is admitted after all others have ended', () => {
    const simulator = new Simulator();
    admit(simulator, 'r1');
    endReview(simulator, 'r1');
    admit(simulator, 'r2');
    expect(simulator.at(HISTORY)).toMatchObject({ state: 'open', ended: false });
    expect(requestTurn(simulator, 'r2').effects).toHaveLength(1);
    expectConsistent(simulator);
  });
});

describe('runs', () => {
  test('are kept as the newest result and the newest verdict of each job on each patchset', () => {
    const simulator = new Simulator();
    const verdicts = ['SUCCESS', 'FAILURE', 'NODE_FAILURE', 'ABORTED'] as const;
    for (const [index, verdict] of verdicts.entries()) {
      admit(simulator, `r${index}`);
      end(simulator, `r${index}`, verdict);
      endReview(simulator, `r${index}`);
    }
    expect(kept(simulator)).toEqual(['r1-acme FAILURE', 'r2-acme NODE_FAILURE']);
    expect(context(simulator).prunedUpTo).toBe(0);
  });

  test('of a review that has not ended are all kept, and a late verdict counts', () => {
    const simulator = new Simulator();
    admit(simulator, 'r1');
    admit(simulator, 'r2');
    end(simulator, 'r2', 'SUCCESS');
    endReview(simulator, 'r2');
    end(simulator, 'r1', 'FAILURE');
    expect(kept(simulator)).toEqual(['r1-acme FAILURE', 'r2-acme SUCCESS']);
    endReview(simulator, 'r1');
    expect(kept(simulator)).toEqual(['r2-acme SUCCESS']);
  });

  test('keep their first verdict', () => {
    const simulator = new Simulator();
    admit(simulator, 'r1');
    end(simulator, 'r1', 'FAILURE');
    end(simulator, 'r1', 'SUCCESS');
    expect(kept(simulator)).toEqual(['r1-acme FAILURE']);
  });

  test('on old patchsets are pruned, and the pruning is recorded', () => {
    const simulator = new Simulator();
    for (let patchset = 1; patchset <= 30; patchset += 1) {
      admit(simulator, `r${patchset}`, patchset);
      end(simulator, `r${patchset}`, 'SUCCESS');
      endReview(simulator, `r${patchset}`);
    }
    expect(context(simulator).runs).toHaveLength(20);
    expect(context(simulator).prunedUpTo).toBe(10);
    const answer = simulator.send(HISTORY, { type: 'verdicts.requested', review: 'r30', from: 29, to: 30 });
    expect(answer.effects).toMatchObject([
      {
        to: 'r30',
        event: { type: 'verdicts.listed', prunedUpTo: 10, runs: [{ patchset: 29 }, { patchset: 30 }] },
      },
    ]);
  });
});
