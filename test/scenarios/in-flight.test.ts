/**
 * A change is abandoned or superseded while one call hangs: before it arrives, or before its result arrives; for a
 * moment, past its deadline, and until it is given up.
 */

import { describe, expect, test } from 'vitest';
import { sampled } from '../fixtures/effort.ts';
import { NEVER } from '../fixtures/never.ts';
import { jobSpec } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { abandoned, created, FIRST } from './gerrit-events.ts';
import { endOf } from './story.ts';
import { violations } from './violations.ts';

/** Calls before the verdict is reported, and the number of stages that have begun by then. */
const WORK = [
  ['create', 0],
  ['fetch', 0],
  ['start', 0],
  ['ended', 1],
  ['readResults', 2],
  ['collect', 2],
  ['publish', 2],
] as const;
/** Calls after the verdict is final. */
const AFTER = ['delete', 'discard', 'readChangeState', 'post', 'readVotes'] as const;
/** Points before the post is requested: the server is deleted while the change is read from Gerrit. */
const UNPOSTED = ['before delete', 'after delete', 'before readChangeState', 'after readChangeState'];
const EDGES = ['before', 'after'] as const;
const HANGS = [
  ['for a moment', 5_000],
  ['past its deadline', 1_000_000],
  ['until it was given up', 30_000_000],
] as const;
const GOOD = `${FIRST},1 succeeded Verified+1`;

async function disturbed(point: string, ms: number, disturb: (ci: CiHarness) => void): Promise<CiHarness> {
  const ci = new CiHarness();
  await ci.start();
  ci.emit(created());
  ci.holdAt(point, ms, () => disturb(ci));
  await ci.run();
  return ci;
}

const abandon = (ci: CiHarness) => ci.emit(abandoned());
const supersede = (ci: CiHarness) => ci.emit(created(FIRST, 2));

describe.each(HANGS)('abandoned while a call hangs %s', (_, ms) => {
  test.each(sampled(WORK.flatMap(([call, stages]) => EDGES.map((edge) => [edge, call, stages] as const))))(
    '%s %s',
    async (edge, call, stages) => {
      const ci = await disturbed(`${edge} ${call}`, ms, abandon);
      expect(violations(ci)).toEqual([]);
      expect(endOf(ci)).toMatchObject({ verdicts: ['ABORTED'], posts: [] });
      // The command begins between the two points of `start`.
      expect(ci.runner.started).toBe(call === 'start' && edge === 'after' ? 1 : stages);
      ci.store.close();
    },
  );

  test.each(sampled(AFTER.flatMap((call) => EDGES.map((edge) => [edge, call] as const))))(
    '%s %s',
    async (edge, call) => {
      const ci = await disturbed(`${edge} ${call}`, ms, abandon);
      expect(violations(ci)).toEqual([]);
      // A post that never arrived is not retried for an abandoned change.
      const givenUp = `${edge} ${call}` === 'before post' && ms > 5_000;
      const posts = givenUp || UNPOSTED.includes(`${edge} ${call}`) ? [] : [GOOD];
      expect(endOf(ci)).toMatchObject({ verdicts: ['SUCCESS'], posts });
      ci.store.close();
    },
  );
});

describe('superseded while a call hangs', () => {
  test.each(sampled(WORK.flatMap(([call]) => EDGES.map((edge) => `${edge} ${call}`))))(
    '%s',
    async (point) => {
      const ci = await disturbed(point, 5_000, supersede);
      expect(violations(ci)).toEqual([]);
      expect(endOf(ci)).toMatchObject({
        verdicts: ['ABORTED', 'SUCCESS'],
        posts: [`${FIRST},2 succeeded Verified+1`],
      });
      ci.store.close();
    },
  );

  test.each(sampled(AFTER.flatMap((call) => EDGES.map((edge) => `${edge} ${call}`))))('%s', async (point) => {
    const ci = await disturbed(point, 5_000, supersede);
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci)).toMatchObject({
      verdicts: ['SUCCESS', 'SUCCESS'],
      posts: [...(UNPOSTED.includes(point) ? [] : [GOOD]), `${FIRST},2 succeeded Verified+1`],
    });
    ci.store.close();
  });
});

test('a server that appears after its creation was cancelled is deleted, and no stage starts on it', async () => {
  const ci = new CiHarness();
  await ci.start();
  ci.provider.holdNext('answer');
  ci.emit(created());
  await ci.provider.calls.reached('create');
  ci.emit(abandoned());
  await ci.untilIdle();
  expect(ci.provider.servers()).toHaveLength(1);
  expect(ci.jobs()[0]).toMatchObject({ state: 'cleanup.awaitingEffects', verdict: 'ABORTED' });
  ci.provider.release();
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect([ci.provider.created, ci.provider.deleted, ci.runner.started]).toEqual([1, 1, 0]);
});

test('a server that appears after its job has ended is swept', async () => {
  const limits = {
    cleanupTimeoutMs: 10_000,
    bootTimeoutMs: 20_000,
    cleanupAttempts: 1,
    cleanupRetryMs: 1_000,
  };
  const ci = new CiHarness({
    specs: [jobSpec({ limits })],
    wrapAdapters: (adapters, { provider }) => ({
      ...adapters,
      providers: new Map([
        [
          'local',
          {
            name: 'local',
            slots: 1,
            list: (owner) => provider.list(owner, NEVER),
            delete: (server, deployment) => provider.delete(server, deployment, NEVER),
            open: (server) => provider.open(server, NEVER),
            describe: (server) => provider.describe(server, NEVER),
            whyGone: (server) => provider.whyGone(server, NEVER),
            // A provider that ignores its abort signal, and creates the server an hour later.
            create: (request) =>
              new Promise((resolve) => {
                ci.clock.after(3_600_000, () => resolve(provider.add(request).server));
              }),
          },
        ],
      ]),
    }),
  });
  await ci.start();
  ci.emit(created());
  ci.holdAt('before create', 0, () => ci.emit(abandoned()));
  await ci.run();
  expect(ci.jobs()[0]?.state).toBe('done');
  expect(ci.provider.created).toBe(0);
  await ci.clock.advance(3_700_000);
  expect(ci.provider.servers()).toHaveLength(1);
  await ci.clock.advance(1_200_000);
  expect(ci.provider.servers()).toHaveLength(0);
});
