/** Internal faults: a store that cannot be written for a while, an adapter or a machine with a bug. */
import { describe, expect, test } from 'vitest';
import { StoreUnavailable } from '../../src/engine/ports/store.ts';
import { jobSpec } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { isAt, when, wrapPort, wrapProvider } from './faults.ts';
import { created, FIRST } from './gerrit-events.ts';
import { endOf } from './story.ts';
import { violations } from './violations.ts';

const GOOD = `${FIRST},1 succeeded Verified+1`;

describe('a store that cannot be written', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
    'at append %d: held, reported, and continued',
    async (at) => {
      const ci = new CiHarness();
      await ci.start();
      const { append } = ci.store;
      let appends = 0;
      let full = false;
      ci.store.append = async (batch) => {
        if (appends === at && !full) {
          full = true;
          ci.clock.after(30_000, () => {
            ci.store.append = append;
          });
        }
        appends += 1;
        if (full) throw new StoreUnavailable('SQLITE_FULL: database or disk is full', 'free space', null);
        return append.call(ci.store, batch);
      };
      ci.emit(created());
      let modes = new Set<string | undefined>();
      await ci.run(() => {
        modes = modes.add(ci.store.daemon()?.mode.split(':')[0]);
        return ci.isIdle && ci.jobs().length > 0;
      });
      expect(violations(ci)).toEqual([]);
      expect(endOf(ci)).toMatchObject({ verdicts: ['SUCCESS'], posts: [GOOD], stages: 2, servers: 1 });
      expect(modes).toContain('degraded');
      expect(ci.store.daemon()?.mode).toBe('running');
      expect(ci.log.lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
      expect(ci.lives).toBe(1);
      ci.store.close();
    },
  );

  test('meanwhile no event is accepted: Gerrit waits, and nothing is lost', async () => {
    const ci = new CiHarness({ slots: 3 });
    const { append } = ci.store;
    await ci.start();
    ci.store.append = () => Promise.reject(new StoreUnavailable('SQLITE_FULL', 'free space', null));
    for (const change of [1, 2, 3]) ci.emit(created(change));
    await ci.clock.advance(60_000);
    expect([ci.undelivered, ci.jobs().length, ci.provider.created]).toEqual([3, 0, 0]);
    ci.store.append = append;
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci).posts).toHaveLength(3);
  });

  test('a stop meanwhile loses nothing', async () => {
    const ci = new CiHarness();
    const { append } = ci.store;
    await ci.start();
    ci.emit(created());
    await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
    ci.store.append = () => Promise.reject(new StoreUnavailable('SQLITE_FULL', 'free space', null));
    ci.emit(created(7));
    await ci.clock.advance(120_000);
    await ci.daemon.service.stop();
    ci.store.append = append;
    await ci.restart();
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci)).toMatchObject({ verdicts: ['SUCCESS', 'SUCCESS'], stages: 4, servers: 2 });
    expect(ci.crashes).toEqual([]);
  });
});

describe('an adapter with a bug', () => {
  const buggy = (times: number) => {
    let left = times;
    return wrapPort('source', (source) => ({
      fetch: (request, signal) => {
        if (request.patchset.change !== 13 || left === 0) return source.fetch(request, signal);
        left -= 1;
        return Promise.reject(new TypeError('undefined is not a function'));
      },
    }));
  };

  test('once: the daemon records the history and exits, and the next one continues', async () => {
    const ci = new CiHarness({ slots: 2, wrapAdapters: buggy(1) });
    await ci.start();
    ci.emit(created(12));
    ci.emit(created(13));
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci)).toMatchObject({ verdicts: ['SUCCESS', 'SUCCESS'], servers: 2, alarms: [] });
    expect([ci.lives, ci.crashes.length]).toEqual([2, 1]);
    const crashed = [...ci.store.log()].filter(({ type }) => type === 'daemon.crashed');
    expect(crashed).toMatchObject([
      { history: 'j00004', data: { during: 'fetchPatchset:1', message: 'undefined is not a function' } },
    ]);
  });

  test('twice: only that job is parked, with an alarm; the others continue', async () => {
    const ci = new CiHarness({ slots: 2, wrapAdapters: buggy(9) });
    await ci.start();
    ci.emit(created(12));
    ci.emit(created(13));
    ci.emit(created(14));
    await ci.run();
    expect(endOf(ci)).toMatchObject({
      verdicts: ['SUCCESS', 'ABORTED', 'SUCCESS'],
      alarms: ['job-parked'],
    });
    expect(ci.jobs().map(({ state }) => state)).toEqual(['done', 'parked', 'done']);
    expect(ci.lives).toBe(3);
    const crashed = [...ci.store.log()].filter(({ type }) => type === 'daemon.crashed');
    expect(crashed.map(({ history }) => history)).toEqual(['j00004', 'j00004']);
    // The sweep removes the server of the parked job in two rounds.
    await ci.clock.advance(1_200_000);
    expect(ci.provider.servers()).toEqual([]);
    // It released its slot at once, so its server exceeds the slots until it is swept.
    expect(violations(ci)).toEqual(['3 servers at a time', 'j00004 ended as parked']);
  });

  test('kills without a crash record never park a job', async () => {
    const ci = new CiHarness();
    await ci.start();
    ci.emit(created());
    for (let times = 0; times < 5; times += 1) {
      await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
      await ci.restart();
    }
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(ci.lives).toBe(6);
  });

  test('a bug in the store is attributed to no history', async () => {
    const ci = new CiHarness();
    const { append } = ci.store;
    let broke = false;
    await ci.start();
    ci.emit(created());
    when(ci, isAt('testing.running'), () => {
      ci.store.append = async () => {
        broke = true;
        ci.store.append = append;
        throw new Error('SQLITE_CORRUPT: database disk image is malformed');
      };
    });
    await ci.run();
    expect(broke).toBe(true);
    expect(violations(ci)).toEqual([]);
    expect([ci.lives, ci.crashes.length]).toEqual([2, 1]);
    expect([...ci.store.log()].some(({ type }) => type === 'daemon.crashed')).toBe(false);
  });
});

describe('an event that throws inside the machine', () => {
  /** A server whose id is not valid JSON: the event cannot be stored. */
  const poisonous = (change: number) =>
    wrapProvider((provider, ci) => ({
      create: async (request, signal) => {
        const server = await provider.create(request, signal);
        const job = ci.store.job(request.owner.job);
        return job?.change === change ? { ...server, id: Number.NaN as unknown as string } : server;
      },
    }));

  test('quarantines its job, whose cleanup still runs; the others continue', async () => {
    const ci = new CiHarness({ slots: 3, strict: false, wrapAdapters: poisonous(13), specs: [jobSpec()] });
    await ci.start();
    for (const change of [12, 13, 14]) ci.emit(created(change));
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci)).toMatchObject({
      verdicts: ['SUCCESS', 'NODE_FAILURE', 'SUCCESS'],
      stages: 4,
      servers: 3,
    });
    expect([ci.lives, ci.crashes.length]).toEqual([1, 0]);
    const failed = [...ci.store.log()].filter(({ type }) => type === 'machine.failed');
    expect(failed).toMatchObject([
      { history: 'j00004', data: { event: 'server.active' }, settles: 'createServer:1' },
    ]);
  });

  test('releases the only slot of its quarantined job', async () => {
    const ci = new CiHarness({ slots: 1, strict: false, wrapAdapters: poisonous(13) });
    await ci.start();
    for (const change of [13, 14]) ci.emit(created(change));
    await ci.run();
    expect(violations(ci)).toEqual([]);
    expect(endOf(ci).verdicts).toEqual(['NODE_FAILURE', 'SUCCESS']);
  });
});
