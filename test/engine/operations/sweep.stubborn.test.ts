/** A leaked server that cannot be removed does not keep the sweep from removing others, and is retried. */

import { expect, test } from 'vitest';
import { Sweep } from '../../../src/engine/operations/sweep.ts';
import type { Store } from '../../../src/engine/ports/store.ts';
import { OperationError } from '../../../src/errors.ts';
import type { Server } from '../../../src/machines/model/domain.ts';
import { FakeAlarms } from '../../fakes/alarms.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { FakeEvidence } from '../../fakes/evidence.ts';
import { FakeLog } from '../../fakes/log.ts';
import { FakeMerger } from '../../fakes/merger.ts';
import { FakeProvider } from '../../fakes/provider.ts';
import { NEVER } from '../../fixtures/never.ts';
import { failure } from '../../machines/facts.ts';

const DEPLOYMENT = 'lab-1';

/** A cloud that rejects deleting the server with the name `locked`. */
class LockedProvider extends FakeProvider {
  locked: string | null = 'oldest';

  override async delete(server: Server, deployment: string): Promise<void> {
    if (server.name === this.locked) throw new OperationError(failure('delete server'));
    await super.delete(server, deployment, NEVER);
  }
}

test('a server that cannot be removed is reported, retried, and does not block the others', async () => {
  const provider = new LockedProvider();
  for (const name of ['oldest', 'newer', 'newest']) {
    provider.add({ name, owner: { deployment: DEPLOYMENT, job: `job-of-${name}`, attempt: 1 } });
  }
  const alarms = new FakeAlarms();
  const store = { job: () => ({ ended: true }) } as unknown as Store;
  const providers = new Map([[provider.name, provider]]);
  const sweep = new Sweep({
    providers,
    merger: new FakeMerger(),
    evidence: new FakeEvidence(),
    store,
    alarms,
    log: new FakeLog(),
    hide: (text: string) => text,
    deployment: DEPLOYMENT,
    clock: new FakeClock(),
    callTimeoutMs: 60_000,
  });

  expect(await sweep.run()).toBe(0);
  expect(await sweep.run()).toBe(2);
  expect(provider.servers().map(({ server }) => server.name)).toEqual(['oldest']);
  expect(alarms.raised).toMatchObject([{ kind: 'server-leaked', target: 'oldest', hint: 'fix it' }]);

  provider.locked = null;
  expect(await sweep.run()).toBe(1);
  expect(provider.servers()).toEqual([]);
});

test('a provider that never responds ends one round, not the sweep', async () => {
  const provider = new FakeProvider();
  provider.add({ name: 'left', owner: { deployment: DEPLOYMENT, job: 'job-1', attempt: 1 } });
  const store = { job: () => ({ ended: true }) } as unknown as Store;
  const clock = new FakeClock();
  const log = new FakeLog();
  const sweep = new Sweep({
    providers: new Map([['local', provider]]),
    merger: new FakeMerger(),
    evidence: new FakeEvidence(),
    store,
    alarms: new FakeAlarms(),
    log,
    hide: (text: string) => text,
    deployment: DEPLOYMENT,
    clock,
    callTimeoutMs: 60_000,
  });
  provider.holdNext('answer', 'list');
  const hanging = sweep.run();
  await clock.advance(60_000);
  expect(await hanging).toBe(0);
  await sweep.run();
  expect(await sweep.run()).toBe(1);
  expect(provider.servers()).toEqual([]);
});
