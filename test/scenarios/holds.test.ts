/** Holds: the server of a failed job is kept, opened for people, counted against the slots, and deleted in the end. */
import { expect, test } from 'vitest';
import { OperatorCommands } from '../../src/engine/operations/operator-commands.ts';
import type { OperatorRequest } from '../../src/engine/ports/operator-api.ts';
import { openHolds } from '../../src/machines/hold/open-holds.ts';
import type { HoldStatus } from '../../src/machines/protocol/version.ts';
import { FAILED, jobSpec } from '../machines/facts.ts';
import { CiHarness, SUCCESSFUL_STAGE } from './ci-harness.ts';
import { isAt, isRow, outage, when, wrapProvider } from './faults.ts';
import { created, FIRST } from './gerrit-events.ts';
import type { Story } from './story.ts';
import { storyTests } from './story-tests.ts';
import { violations } from './violations.ts';

const HOUR_MS = 3_600_000;
const FAILED_RUN = `${FIRST},1 failed Verified-1`;
const TESTS_FAIL = {
  results: FAILED,
  stage: ({ run }: { readonly run: { readonly stage: string } }) =>
    run.stage === 'testing'
      ? ({ afterMs: 60_000, outcome: { how: 'exited', code: 1 } } as const)
      : SUCCESSFUL_STAGE,
};
const OF_CHANGE = { do: 'hold', target: { change: FIRST, name: null }, durationMs: HOUR_MS } as const;

storyTests([
  {
    name: 'the server of a failed job is held until its time is over',
    options: TESTS_FAIL,
    begin: (ci) => holdFirst(ci, () => ci.emit(created())),
    end: { verdicts: ['FAILURE'], posts: [FAILED_RUN], stages: 2, servers: 1, opened: 1 },
  },
  {
    name: 'a held server takes the only slot, and an operator releases it',
    options: TESTS_FAIL,
    begin: (ci) => {
      holdFirst(ci, () => ci.emit(created()));
      when(ci, isAt('testing.running'), () => ci.emit(created(2)));
      untilDone(ci, ({ phase, held }) => phase === 'held' && held?.login != null, {
        do: 'release',
        target: { change: FIRST },
      });
    },
    end: {
      verdicts: ['FAILURE', 'FAILURE'],
      posts: [FAILED_RUN, '2,1 failed Verified-1'],
      stages: 4,
      servers: 2,
      opened: 1,
    },
  },
  {
    name: 'a held server cannot be opened, and the provider is down at its end',
    options: {
      ...TESTS_FAIL,
      specs: [jobSpec({ stacking: null })],
      wrapAdapters: wrapProvider((provider, ci) => ({
        open: () => Promise.reject(outage('open server')),
        delete: (server, deployment, signal) =>
          ci.clock.monotonic() < backAt(ci)
            ? Promise.reject(outage('delete server'))
            : provider.delete(server, deployment, signal),
      })),
    },
    begin: (ci) => holdFirst(ci, () => ci.emit(created())),
    end: {
      verdicts: ['FAILURE'],
      posts: [FAILED_RUN],
      stages: 1,
      servers: 1,
    },
  },
] satisfies readonly Story[]);

test('a provider that stays down raises an alarm, and the sweep deletes the server when it is back', async () => {
  const ci = new CiHarness({
    ...TESTS_FAIL,
    wrapAdapters: wrapProvider((provider, ci) => ({
      delete: (server, deployment, signal) =>
        ci.clock.monotonic() < 6 * HOUR_MS
          ? Promise.reject(outage('delete server'))
          : provider.delete(server, deployment, signal),
    })),
  });
  await ci.start();
  holdFirst(ci, () => ci.emit(created()));
  await ci.run();
  expect(ci.alarms.kinds).toContain('server-leaked');
  expect(ci.provider.servers()).toHaveLength(1);
  while (ci.clock.monotonic() < 7 * HOUR_MS) await ci.clock.advance(ci.clock.nextIn ?? 0);
  await ci.untilIdle();
  expect(ci.provider.servers()).toEqual([]);
  expect(violations(ci)).toEqual([]);
  const target = expect.stringMatching(/^hold h/);
  expect(ci.alarms.raised.at(-1)).toMatchObject({ kind: 'server-leaked', target, cleared: true });
  ci.store.close();
});

test('while it is held, sweeps keep the server, the slot is taken, and the job has ended', async () => {
  const ci = new CiHarness(TESTS_FAIL);
  await ci.start();
  holdFirst(ci, () => ci.emit(created()));
  await ci.run(() => holdOf(ci)?.held?.login != null);
  const [job] = ci.jobs();
  expect(job).toMatchObject({ ended: true, verdict: 'FAILURE' });
  ci.emit(created(2));
  for (let minutes = 0; minutes < 50; minutes += 5) await ci.clock.advance(300_000);
  await ci.untilIdle();
  expect(ci.provider.servers().map(({ owner }) => owner.job)).toEqual([job?.id]);
  expect(ci.jobs()[1]).toMatchObject({ queued: true });
  expect(holdOf(ci)).toMatchObject({ phase: 'held', by: 'alice', why: 'look at it' });
  await ci.restart();
  await ci.run();
  expect(ci.provider).toMatchObject({ created: 2, deleted: 2, peak: 1 });
  expect(violations(ci)).toEqual([]);
  ci.store.close();
});

test('the time of a hold passes while no daemon is alive', async () => {
  const ci = new CiHarness({ ...TESTS_FAIL, downtimeMs: 5 * HOUR_MS });
  await ci.start();
  holdFirst(ci, () => ci.emit(created()));
  await ci.run(() => holdOf(ci)?.held?.login != null);
  ci.daemon.life.end();
  const before = ci.clock.now();
  await ci.run();
  expect(ci.clock.now() - before).toBeLessThan(5 * HOUR_MS + 600_000);
  expect(violations(ci)).toEqual([]);
  ci.store.close();
});

test('a hold of one job keeps the server also after a success', async () => {
  const ci = new CiHarness();
  await ci.start();
  ci.emit(created());
  when(ci, isRow('server.active'), () => {
    const target = { job: ci.jobs()[0]?.id ?? '' };
    void operators(ci).perform({ do: 'hold', target, durationMs: HOUR_MS }, ALICE);
  });
  await ci.run(() => holdOf(ci)?.held?.login != null);
  expect(holdOf(ci)?.held).toMatchObject({ verdict: 'SUCCESS', login: { command: /^ssh / } });
  await ci.run();
  expect(violations(ci)).toEqual([]);
  ci.store.close();
});

/** When the provider of the story answers again: 30 seconds after it was first asked to delete a server. */
const outages = new WeakMap<CiHarness, number>();
function backAt(ci: CiHarness): number {
  const at = outages.get(ci) ?? ci.clock.monotonic() + 30_000;
  outages.set(ci, at);
  return at;
}

const ALICE = { who: 'alice', why: 'look at it' };

function operators(ci: CiHarness): OperatorCommands {
  return new OperatorCommands({
    engine: ci.daemon.engine,
    store: ci.store,
    admission: ci.daemon.admission,
    clock: ci.clock,
    newId: (kind) => ci.newId(kind),
    sweep: ci.daemon.sweep,
    janitors: ci.daemon.janitors,
    findPatchset: async () => null,
    reload: async () => ({ changed: [], restart: [], problems: [] }),
    identity: { pid: 42, version: '1' },
  });
}

function holdOf(ci: CiHarness): HoldStatus | undefined {
  return openHolds(ci.store)[0];
}

/** Requests a hold, again with each new daemon until it is in the log; then calls `act` once. */
function holdFirst(ci: CiHarness, act: () => void): void {
  when(ci, isRow('hold.requested'), act);
  eachLife(ci, () => ![...ci.store.histories()].some((history) => history.startsWith('h')), OF_CHANGE);
}

/** Repeats a request with each new daemon while a hold is as described. */
function untilDone(ci: CiHarness, needed: (hold: HoldStatus) => boolean, request: OperatorRequest): void {
  eachLife(ci, () => openHolds(ci.store).some(needed), request);
}

/** An operator who repeats a request that a crash has interrupted. */
function eachLife(ci: CiHarness, needed: () => boolean, request: OperatorRequest): void {
  const others = ci.onDurable;
  let asked = 0;
  const ask = () => {
    if (asked === ci.lives || !needed()) return;
    asked = ci.lives;
    void operators(ci)
      .perform(request, ALICE)
      .catch(() => {});
  };
  ci.onDurable = (batch) => {
    others(batch);
    ask();
  };
  ask();
}
