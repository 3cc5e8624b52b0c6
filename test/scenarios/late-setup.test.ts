/**
 * A call for a server that was given up at its deadline, and a daemon that dies while the job publishes: the next one
 * begins nothing for it any more, what did come to be is removed, and nothing stays owed.
 */

import { expect, test } from 'vitest';
import type { Adapters } from '../../src/engine/ports/adapters.ts';
import { NEVER } from '../fixtures/never.ts';
import { jobSpec } from '../machines/facts.ts';
import { created } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';
import { endOf } from './story.ts';
import { bent, bentProvider, outage } from './trouble.ts';

type Bend = (world: Adapters, lab: Lab) => Adapters;

const never = () => new Promise<never>(() => {});
const ONCE = jobSpec({ limits: { setupAttempts: 1 } });

/** The daemon dies while its job waits to have its evidence collected; the next one, in a world that is fixed, brings the job to its end. */
async function diedPublishing(bend: Bend, during: (lab: Lab) => void = () => {}): Promise<Lab> {
  const collecting = bent('evidence', () => ({ collect: never }));
  let lives = 0;
  const lab = new Lab({
    specs: [ONCE],
    stage: () => null,
    bend: (world, of) => {
      lives += 1;
      return lives === 1 ? collecting(bend(world, of), of) : world;
    },
  });
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.jobs()[0]?.state === 'publishing.collecting');
  await lab.untilIdle();
  during(lab);
  await lab.restart();
  await lab.run();
  return lab;
}

test('a server that was not created is not created', async () => {
  const owed: string[] = [];
  const lab = await diedPublishing(
    bentProvider(() => ({ create: never })),
    ({ store }) => owed.push(...store.outbox('j00002').map(({ key }) => key)),
  );
  expect(owed).toContain('createServer:1');
  expect(broken(lab)).toEqual([]);
  expect(endOf(lab)).toMatchObject({ verdicts: ['NODE_FAILURE'], servers: 0, stages: 0 });
  lab.store.close();
});

test('a server that was created after all is found and removed', async () => {
  const lab = await diedPublishing(
    bentProvider((inner) => ({
      create: async (request, signal) => {
        await inner.create(request, signal);
        return never();
      },
    })),
    ({ provider }) => expect(provider.servers()).toHaveLength(1),
  );
  expect(broken(lab)).toEqual([]);
  expect(endOf(lab)).toMatchObject({ verdicts: ['NODE_FAILURE'], servers: 1, stages: 0 });
  lab.store.close();
});

test('a patchset that was not fetched is not fetched', async () => {
  const lab = await diedPublishing(bent('source', () => ({ fetch: never })));
  expect(broken(lab)).toEqual([]);
  expect(lab.source.calls.count('fetch')).toBe(0);
  expect(endOf(lab)).toMatchObject({ verdicts: ['RETRY_LIMIT'], servers: 1, stages: 0 });
  lab.store.close();
});

test('a stage that had not started, and could not be stopped, does not start', async () => {
  const lab = await diedPublishing(
    bent('runner', () => ({ start: never, stop: () => Promise.reject(outage('stop stage')) })),
  );
  expect(broken(lab)).toEqual([]);
  expect(endOf(lab)).toMatchObject({ verdicts: ['RETRY_LIMIT'], servers: 1, stages: 0 });
  lab.store.close();
});

test('a stage that still runs although it was to be stopped is stopped', async () => {
  const lab = await diedPublishing(
    bent('runner', (inner) => ({
      start: async (request) => {
        await inner.start(request, NEVER);
        return never();
      },
      stop: () => Promise.reject(outage('stop stage')),
    })),
    ({ runner }) => expect(runner.running()).toHaveLength(1),
  );
  expect(broken(lab)).toEqual([]);
  expect(endOf(lab)).toMatchObject({ verdicts: ['RETRY_LIMIT'], servers: 1, stages: 1 });
  lab.store.close();
});
