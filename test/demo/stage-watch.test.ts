import { beforeEach, describe, expect, test } from 'vitest';
import { Screen } from '../../src/demo/output.ts';
import { StageWatch, type WatchedStore } from '../../src/demo/stage-watch.ts';
import { DemoFailure } from '../../src/demo/wait.ts';
import type { JobView, NumberedRow, ReviewView } from '../../src/engine/ports/store.ts';
import type { Effect } from '../../src/machines/protocol/effects.ts';

const JOB: JobView = {
  id: 'j1',
  review: 'r1',
  name: 'demo',
  pipeline: 'check',
  project: 'demo',
  branch: 'master',
  change: 7,
  patchset: 1,
  subject: 'Seven',
  owner: 'dev',
  provider: 'local',
  state: 'done',
  ended: true,
  ...{ queued: false, cleaningUp: false, parked: false },
  attempt: 1,
  verdict: 'SUCCESS',
  reason: '',
  url: null,
  acceptedAt: 0,
  updatedAt: 0,
  endedAt: 0,
};

/** A store that returns its rows one by one: one more on each call. */
class SlowStore implements WatchedStore {
  readonly #all: readonly NumberedRow[];
  #shown = 0;

  constructor(states: readonly (readonly [state: string, at: number, attempt?: number])[]) {
    this.#all = states.map(([state, at, attempt], index) => row(index + 1, state, at, attempt));
  }

  jobs(query: { readonly change?: number }): readonly JobView[] {
    return query.change === 7 ? [JOB] : [];
  }

  job(): JobView {
    return { ...JOB, ended: this.#shown >= this.#all.length };
  }

  review(): ReviewView | null {
    return { ...JOB, jobsPending: false, openedAt: 0, outcome: 'posted' };
  }

  rows(): readonly NumberedRow[] {
    this.#shown = Math.min(this.#shown + 1, this.#all.length);
    return this.#all.slice(0, this.#shown);
  }
}

let shown: string;
beforeEach(() => {
  shown = '';
});

describe('a watched job', () => {
  test('shows each stage once, with its time', async () => {
    const store = new SlowStore([
      ['queued', 0],
      ['booting.creating', 10, 1],
      ['stacking.fetching', 30],
      ['stacking.running', 500],
      ['testing.running', 1530],
      ['done', 3530],
    ]);
    expect((await watch(store).waitForEnd()).id).toBe('j1');
    expect(lines()).toEqual(['queued 10ms', 'booting 20ms', 'stacking 1.5s', 'testing 2.0s']);
  });

  test('shows attempts, and the steps between them', async () => {
    const store = new SlowStore([
      ['booting.creating', 0, 1],
      ['stacking.running', 100],
      ['booting.cleaningUp', 200],
      ['booting.backoff', 250],
      ['booting.creating', 1250, 2],
      ['cleanup.deleting', 1300],
      ['done', 1400],
    ]);
    await watch(store).waitForEnd();
    expect(lines()).toEqual([
      'booting 100ms',
      'stacking 100ms',
      'cleaning up 50ms',
      'waiting 1.0s',
      'attempt 2',
      'booting 50ms',
      'cleanup 100ms',
    ]);
  });

  test('can be awaited until it reaches a stage', async () => {
    const following = watch(
      new SlowStore([
        ['queued', 0],
        ['testing.running', 5],
        ['done', 9],
      ]),
    );
    await following.waitForStage('testing');
    expect([following.job, lines()]).toEqual(['j1', ['queued 5ms', 'testing']]);
  });

  test('stops waiting when the stage can no longer be reached', async () => {
    const fail = (): void => {
      throw new DemoFailure('the daemon exited on its own');
    };
    const following = watch(new SlowStore([['queued', 0]]), fail);
    await expect(following.waitForStage('testing')).rejects.toThrow('the daemon exited on its own');
  });
});

function watch(store: WatchedStore, assertReachable: () => void = () => undefined): StageWatch {
  const screen = new Screen((text) => {
    shown += text;
  }, false);
  return new StageWatch(store, 7, screen, new AbortController().signal, assertReachable);
}

function lines(): string[] {
  return shown
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().replace(/ +/g, ' '));
}

function row(version: number, state: string, at: number, attempt?: number): NumberedRow {
  const effects: Effect[] =
    attempt === undefined
      ? []
      : [
          {
            type: 'createServer',
            key: `createServer:${attempt}`,
            provider: 'local',
            name: 'one',
            owner: { deployment: 'd', job: 'j1', attempt },
            timeoutMs: 1,
          },
        ];
  return {
    seq: version,
    history: 'j1',
    version,
    type: 'timer.fired',
    eventVersion: 1,
    at,
    data: {},
    settles: null,
    causationId: null,
    outcome: 'moved',
    machine: 'job@1',
    state,
    stateHash: '',
    effects,
    hash: '',
  };
}
