/**
 * A deletion that was abandoned after its deadline may still run in its adapter. It must not touch the next attempt's
 * server.
 */
import { expect, test } from 'vitest';
import { perform } from '../../../src/engine/loop/perform.ts';
import type { Adapters } from '../../../src/engine/ports/adapters.ts';
import { AbortedError, OperationError } from '../../../src/errors.ts';
import { FakeAlarms } from '../../fakes/alarms.ts';
import { nothingMissed } from '../../fakes/catch-up.ts';
import { FakeChanges } from '../../fakes/changes.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { FakeEvidence } from '../../fakes/evidence.ts';
import { FakeJanitors } from '../../fakes/janitors.ts';
import { FakeMerger } from '../../fakes/merger.ts';
import { FakeProvider } from '../../fakes/provider.ts';
import { FakeReviewer } from '../../fakes/reviewer.ts';
import { FakeRunner } from '../../fakes/runner.ts';
import { FakeSource } from '../../fakes/source.ts';
import { ENGINE_BOUNDS } from '../../fixtures/bounds.ts';
import { failure, JOB } from '../../machines/facts.ts';

const owner = (attempt: number) => ({ deployment: 'lab-1', job: JOB, attempt });

function setUp() {
  const provider = new FakeProvider();
  const clock = new FakeClock();
  const adapters: Adapters = {
    providers: new Map([[provider.name, provider]]),
    catchUp: nothingMissed,
    changes: new FakeChanges(),
    merger: new FakeMerger(),
    source: new FakeSource(),
    runner: new FakeRunner(),
    janitors: new FakeJanitors(),
    evidence: new FakeEvidence(),
    reviewer: new FakeReviewer(),
    alarms: new FakeAlarms(),
    mailer: null,
    activeJobs: () => [],
    hide: (text: string) => text,
  };
  const effect = {
    type: 'deleteServer',
    key: 'deleteServer:1',
    provider: provider.name,
    owner: owner(1),
    timeoutMs: 60_000,
  } as const;
  const stopping = new AbortController().signal;
  const start = () =>
    perform(effect, {
      adapters,
      clock,
      bounds: ENGINE_BOUNDS,
      stopping,
      abort: new AbortController(),
      recovered: false,
      serverUnneeded: false,
      ended: false,
      track: () => {},
      recordTests: () => {},
      emit: () => {},
    });
  return { provider, clock, start };
}

test.each(['list', 'delete'] as const)('a hanging %s that answers late', async (call) => {
  const { provider, clock, start } = setUp();
  provider.add({ name: 'first', owner: owner(1) });
  provider.holdNext('request', call);
  const performed = start();
  await clock.advance(120_000);
  expect(await performed).toMatchObject({ type: 'server.delete-failed', failure: { retryable: true } });

  const second = provider.add({ name: 'second', owner: owner(2) });
  provider.release();
  await clock.advance(0);
  expect(provider.servers()).toContain(second);
});

test('a deadline does not hide an earlier error', async () => {
  const { provider, clock, start } = setUp();
  const cause = new OperationError(
    failure('reach node', { message: 'the node refuses SFTP', hint: 'offer it' }),
  );
  provider.delete = () => new Promise(() => {});
  provider.list = () =>
    new Promise((_, reject) =>
      clock.after(60_000, () => reject(new AbortedError('wipe node', 'node1', cause))),
    );
  const performed = start();
  await clock.advance(60_000);
  expect(await performed).toMatchObject({
    type: 'server.delete-failed',
    failure: { message: 'no answer within 1m; last: the node refuses SFTP', hint: 'offer it' },
  });
});

test('a failure is logged with a bounded text', async () => {
  const { provider, start } = setUp();
  const long = 'x'.repeat(100_000);
  provider.failNext(failure('list servers', { message: long, hint: long }));
  const event = await start();
  expect(event.type).toBe('server.delete-failed');
  expect(JSON.stringify(event).length).toBeLessThan(5_000);
});
