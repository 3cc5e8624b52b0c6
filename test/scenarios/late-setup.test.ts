/**
 * A call for a server that was given up at its deadline, and a daemon that dies while the job publishes: the next one
 * begins nothing for it any more, what did come to be is removed, and nothing stays owed.
 */

import { expect, test } from 'vitest';
import type { Adapters } from '../../src/engine/ports/adapters.ts';
import { NEVER } from '../fixtures/never.ts';
import { jobSpec } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { created } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { endOf } from './story.ts';
import { bent, bentProvider, outage } from './trouble.ts';

type Bend = (world: Adapters, ci: CiHarness) => Adapters;

const never = () => new Promise<never>(() => {});
const ONCE = jobSpec({ limits: { setupAttempts: 1 } });

/** The daemon dies while its job waits to have its evidence collected; the next one, in a world that is fixed, brings the job to its end. */
async function diedPublishing(
  wrapAdapters: Bend,
  during: (ci: CiHarness) => void = () => {},
): Promise<CiHarness> {
  const collecting = bent('evidence', () => ({ collect: never }));
  let lives = 0;
  const ci = new CiHarness({
    specs: [ONCE],
    stage: () => null,
    wrapAdapters: (world, of) => {
      lives += 1;
      return lives === 1 ? collecting(wrapAdapters(world, of), of) : world;
    },
  });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'publishing.collecting');
  await ci.untilIdle();
  during(ci);
  await ci.restart();
  await ci.run();
  return ci;
}

test('a server that was not created is not created', async () => {
  const owed: string[] = [];
  const ci = await diedPublishing(
    bentProvider(() => ({ create: never })),
    ({ store }) => owed.push(...store.outbox('j00002').map(({ key }) => key)),
  );
  expect(owed).toContain('createServer:1');
  expect(broken(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['NODE_FAILURE'], servers: 0, stages: 0 });
  ci.store.close();
});

test('a server that was created after all is found and removed', async () => {
  const ci = await diedPublishing(
    bentProvider((inner) => ({
      create: async (request, signal) => {
        await inner.create(request, signal);
        return never();
      },
    })),
    ({ provider }) => expect(provider.servers()).toHaveLength(1),
  );
  expect(broken(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['NODE_FAILURE'], servers: 1, stages: 0 });
  ci.store.close();
});

test('a patchset that was not fetched is not fetched', async () => {
  const ci = await diedPublishing(bent('source', () => ({ fetch: never })));
  expect(broken(ci)).toEqual([]);
  expect(ci.source.calls.count('fetch')).toBe(0);
  expect(endOf(ci)).toMatchObject({ verdicts: ['RETRY_LIMIT'], servers: 1, stages: 0 });
  ci.store.close();
});

test('a stage that had not started, and could not be stopped, does not start', async () => {
  const ci = await diedPublishing(
    bent('runner', () => ({ start: never, stop: () => Promise.reject(outage('stop stage')) })),
  );
  expect(broken(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['RETRY_LIMIT'], servers: 1, stages: 0 });
  ci.store.close();
});

test('a stage that still runs although it was to be stopped is stopped', async () => {
  const ci = await diedPublishing(
    bent('runner', (inner) => ({
      start: async (request) => {
        await inner.start(request, NEVER);
        return never();
      },
      stop: () => Promise.reject(outage('stop stage')),
    })),
    ({ runner }) => expect(runner.running()).toHaveLength(1),
  );
  expect(broken(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['RETRY_LIMIT'], servers: 1, stages: 1 });
  ci.store.close();
});
