/**
 * A setup call passes its deadline, and the daemon dies while the job publishes: the next daemon repeats no setup call,
 * removes a server that was created after all, and leaves no effect pending.
 */

import { expect, test } from 'vitest';
import type { Adapters } from '../../src/engine/ports/adapters.ts';
import { NEVER } from '../fixtures/never.ts';
import { jobSpec } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { outage, wrapPort, wrapProvider } from './faults.ts';
import { created } from './gerrit-events.ts';
import { endOf } from './story.ts';
import { violations } from './violations.ts';

type WrapAdapters = (adapters: Adapters, ci: CiHarness) => Adapters;

const never = () => new Promise<never>(() => {});
const ONCE = jobSpec({ limits: { setupAttempts: 1 } });

/** The daemon dies while its job collects evidence; the next daemon has working adapters and ends the job. */
async function diedPublishing(
  wrapAdapters: WrapAdapters,
  during: (ci: CiHarness) => void = () => {},
): Promise<CiHarness> {
  const collecting = wrapPort('evidence', () => ({ collect: never }));
  let lives = 0;
  const ci = new CiHarness({
    specs: [ONCE],
    stage: () => null,
    wrapAdapters: (adapters, of) => {
      lives += 1;
      return lives === 1 ? collecting(wrapAdapters(adapters, of), of) : adapters;
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
    wrapProvider(() => ({ create: never })),
    ({ store }) => owed.push(...store.outbox('j00002').map(({ key }) => key)),
  );
  expect(owed).toContain('createServer:1');
  expect(violations(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['NODE_FAILURE'], servers: 0, stages: 0 });
  ci.store.close();
});

test('a server that was created late is found and removed', async () => {
  const ci = await diedPublishing(
    wrapProvider((inner) => ({
      create: async (request, signal) => {
        await inner.create(request, signal);
        return never();
      },
    })),
    ({ provider }) => expect(provider.servers()).toHaveLength(1),
  );
  expect(violations(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['NODE_FAILURE'], servers: 1, stages: 0 });
  ci.store.close();
});

test('a patchset that was not fetched is not fetched', async () => {
  const ci = await diedPublishing(wrapPort('source', () => ({ fetch: never })));
  expect(violations(ci)).toEqual([]);
  expect(ci.source.calls.count('fetch')).toBe(0);
  expect(endOf(ci)).toMatchObject({ verdicts: ['RETRY_LIMIT'], servers: 1, stages: 0 });
  ci.store.close();
});

test('a stage that did not start and could not be stopped is not started again', async () => {
  const ci = await diedPublishing(
    wrapPort('runner', () => ({ start: never, stop: () => Promise.reject(outage('stop stage')) })),
  );
  expect(violations(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['RETRY_LIMIT'], servers: 1, stages: 0 });
  ci.store.close();
});

test('a stage that still runs after a failed stop is stopped', async () => {
  const ci = await diedPublishing(
    wrapPort('runner', (inner) => ({
      start: async (request) => {
        await inner.start(request, NEVER);
        return never();
      },
      stop: () => Promise.reject(outage('stop stage')),
    })),
    ({ runner }) => expect(runner.running()).toHaveLength(1),
  );
  expect(violations(ci)).toEqual([]);
  expect(endOf(ci)).toMatchObject({ verdicts: ['RETRY_LIMIT'], servers: 1, stages: 1 });
  ci.store.close();
});
