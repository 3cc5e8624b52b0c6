/** The verdicts of one change: what is kept, who may post, and what is forgotten. */
import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../../src/machines/model/verdict.ts';
import { type VerdictsContext, verdictsOf } from '../../../src/machines/verdicts/verdicts.ts';
import { PATCHSET } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { Simulator } from '../simulator.ts';

const HISTORY = verdictsOf(PATCHSET);

function admit(world: Simulator, review: string, patchset = 1, names: readonly string[] = ['acme']): void {
  const jobs = names.map((name) => ({ job: `${review}-${name}`, name, voting: true }));
  world.send(HISTORY, { type: 'runs.admitted', review, patchset, branch: PATCHSET.branch, jobs });
}

function end(world: Simulator, review: string, verdict: Verdict, name = 'acme'): void {
  const job = `${review}-${name}`;
  world.send(HISTORY, { type: 'run.ended', job, verdict, url: null, dependencies: '', readable: true });
}

const leave = (world: Simulator, review: string) => world.send(HISTORY, { type: 'review.ended', review });
const ask = (world: Simulator, review: string) => world.send(HISTORY, { type: 'turn.requested', review });
const context = (world: Simulator) => world.at(HISTORY).context as unknown as VerdictsContext;
const kept = (world: Simulator) => context(world).runs.map(({ job, verdict }) => `${job} ${verdict}`);

describe('a turn', () => {
  test('is given to one review at a time, in the order in which they ask', () => {
    const world = new Simulator();
    for (const review of ['r1', 'r2', 'r3']) admit(world, review);
    const granted = { type: 'sendEvent', to: 'r1', event: { type: 'turn.granted' } };
    expect(ask(world, 'r1').effects).toEqual([granted]);
    expect([ask(world, 'r3').effects, ask(world, 'r2').effects]).toEqual([[], []]);
    expect(leave(world, 'r1').effects).toEqual([{ ...granted, to: 'r3' }]);
    expect(leave(world, 'r3').effects).toEqual([{ ...granted, to: 'r2' }]);
    expect(leave(world, 'r2').effects).toEqual([]);
    expect(world.at(HISTORY)).toMatchObject({ state: 'idle', ended: true });
    orderly(world);
  });

  test('is not given to a review that ended while it waited', () => {
    const world = new Simulator();
    for (const review of ['r1', 'r2', 'r3']) admit(world, review);
    for (const review of ['r1', 'r2', 'r3']) ask(world, review);
    leave(world, 'r2');
    expect(leave(world, 'r1').effects).toMatchObject([{ to: 'r3' }]);
    orderly(world);
  });

  test('is given again after all had ended and another review was admitted', () => {
    const world = new Simulator();
    admit(world, 'r1');
    leave(world, 'r1');
    admit(world, 'r2');
    expect(world.at(HISTORY)).toMatchObject({ state: 'open', ended: false });
    expect(ask(world, 'r2').effects).toHaveLength(1);
    orderly(world);
  });
});

describe('runs', () => {
  test('are kept as the newest result and the newest verdict of each job on each patchset', () => {
    const world = new Simulator();
    const verdicts = ['SUCCESS', 'FAILURE', 'NODE_FAILURE', 'ABORTED'] as const;
    for (const [index, verdict] of verdicts.entries()) {
      admit(world, `r${index}`);
      end(world, `r${index}`, verdict);
      leave(world, `r${index}`);
    }
    expect(kept(world)).toEqual(['r1-acme FAILURE', 'r2-acme NODE_FAILURE']);
    expect(context(world).prunedUpTo).toBe(0);
  });

  test('of a review that has not ended are all kept, and a late verdict counts', () => {
    const world = new Simulator();
    admit(world, 'r1');
    admit(world, 'r2');
    end(world, 'r2', 'SUCCESS');
    leave(world, 'r2');
    end(world, 'r1', 'FAILURE');
    expect(kept(world)).toEqual(['r1-acme FAILURE', 'r2-acme SUCCESS']);
    leave(world, 'r1');
    expect(kept(world)).toEqual(['r2-acme SUCCESS']);
  });

  test('the first verdict of a run stands', () => {
    const world = new Simulator();
    admit(world, 'r1');
    end(world, 'r1', 'FAILURE');
    end(world, 'r1', 'SUCCESS');
    expect(kept(world)).toEqual(['r1-acme FAILURE']);
  });

  test('on old patchsets are forgotten, which is remembered', () => {
    const world = new Simulator();
    for (let patchset = 1; patchset <= 30; patchset += 1) {
      admit(world, `r${patchset}`, patchset);
      end(world, `r${patchset}`, 'SUCCESS');
      leave(world, `r${patchset}`);
    }
    expect(context(world).runs).toHaveLength(20);
    expect(context(world).prunedUpTo).toBe(10);
    const answer = world.send(HISTORY, { type: 'verdicts.requested', review: 'r30', from: 29, to: 30 });
    expect(answer.effects).toMatchObject([
      {
        to: 'r30',
        event: { type: 'verdicts.listed', prunedUpTo: 10, runs: [{ patchset: 29 }, { patchset: 30 }] },
      },
    ]);
  });
});
