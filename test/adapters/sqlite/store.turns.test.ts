/** The last served times in the store: the newest for each provider and project, in the order of the log. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { dispatch, type Submission } from '../../../src/engine/loop/dispatch.ts';
import type { LogEntry, Store } from '../../../src/engine/ports/store.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { jobSpec, PATCHSET, START } from '../../machines/facts.ts';
import { sha256 } from '../../machines/simulator.ts';
import { type Scratch, scratch } from './rig.ts';

let directory: Scratch;
let store: Store;
let now: number;

beforeEach(() => {
  directory = scratch();
  store = openStore(`${directory.path}/sos-ci.db`);
  now = START;
});
afterEach(() => {
  store.close();
  directory.remove();
});

async function send(history: string, event: AnyEvent, settles: string | null = null): Promise<void> {
  const batch: LogEntry[] = [];
  const submission: Submission = { history, startsOn: 'job@1', event, settles, causationId: null };
  const options = {
    hash: sha256,
    now: () => now,
    stored: (id: string) => store.stored(id),
    wasRequested: () => false,
    strict: true,
  };
  dispatch(batch, submission, options);
  await store.append(batch);
}

/** A job that waits for its slot. */
async function queueJob(job: string, project: string, provider = 'local'): Promise<void> {
  const patchset = { ...PATCHSET, project };
  const spec = jobSpec({ provider });
  await send(job, { type: 'job.accepted', job, review: 'r1', deployment: 'd', patchset, spec });
  if (store.job(job)?.state === 'queued.preparing') await send(job, { type: 'job.ready', trees: [] });
}

async function grantSlot(job: string, at: number): Promise<void> {
  now = at;
  await send(job, { type: 'slot.granted' }, 'slot');
}

test('keeps the last grant of each project on each provider, oldest first', async () => {
  for (const [job, project] of [
    ['j1', 'cinder'],
    ['j2', 'nova'],
    ['j3', 'cinder'],
  ] as const) {
    await queueJob(job, project);
  }
  await queueJob('j4', 'cinder', 'cloud');
  expect(store.lastServed()).toEqual([]);
  for (const [index, job] of ['j1', 'j2', 'j4', 'j3'].entries()) await grantSlot(job, START + index);
  expect(store.lastServed()).toEqual([
    { provider: 'local', project: 'nova', at: START + 1 },
    { provider: 'cloud', project: 'cinder', at: START + 2 },
    { provider: 'local', project: 'cinder', at: START + 3 },
  ]);
});

test('ignores a grant that came too late', async () => {
  await queueJob('j1', 'cinder');
  await send('j1', { type: 'job.promoted', by: 'alice', why: '' });
  await grantSlot('j1', START);
  expect(store.lastServed()).toEqual([]);
});
