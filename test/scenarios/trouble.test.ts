/** The daemon's own trouble: a store that cannot be written for a while, an adapter or a machine with a bug. */
import { describe, expect, test } from 'vitest';
import { StoreUnavailable } from '../../src/engine/ports/store.ts';
import { jobSpec } from '../machines/facts.ts';
import { created, FIRST } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';
import { endOf } from './story.ts';
import { bent, bentProvider, isAt, when } from './trouble.ts';

const GOOD = `${FIRST},1 succeeded Verified+1`;

describe('a store that cannot be written', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
    'at append %d: held, reported, and continued',
    async (at) => {
      const lab = new Lab();
      await lab.start();
      const { append } = lab.store;
      let appends = 0;
      let full = false;
      lab.store.append = async (batch) => {
        if (appends === at && !full) {
          full = true;
          lab.clock.after(30_000, () => {
            lab.store.append = append;
          });
        }
        appends += 1;
        if (full) throw new StoreUnavailable('SQLITE_FULL: database or disk is full', 'free space', null);
        return append.call(lab.store, batch);
      };
      lab.say(created());
      let modes = new Set<string | undefined>();
      await lab.run(() => {
        modes = modes.add(lab.store.daemon()?.mode.split(':')[0]);
        return lab.atRest && lab.jobs().length > 0;
      });
      expect(broken(lab)).toEqual([]);
      expect(endOf(lab)).toMatchObject({ verdicts: ['SUCCESS'], posts: [GOOD], stages: 2, servers: 1 });
      expect(modes).toContain('degraded');
      expect(lab.store.daemon()?.mode).toBe('running');
      expect(lab.log.lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
      expect(lab.lives).toBe(1);
      lab.store.close();
    },
  );

  test('meanwhile no event is accepted: Gerrit waits, and nothing is lost', async () => {
    const lab = new Lab({ slots: 3 });
    const { append } = lab.store;
    await lab.start();
    lab.store.append = () => Promise.reject(new StoreUnavailable('SQLITE_FULL', 'free space', null));
    for (const change of [1, 2, 3]) lab.say(created(change));
    await lab.clock.advance(60_000);
    expect([lab.undelivered, lab.jobs().length, lab.provider.created]).toEqual([3, 0, 0]);
    lab.store.append = append;
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab).posts).toHaveLength(3);
  });

  test('a stop meanwhile loses nothing either', async () => {
    const lab = new Lab();
    const { append } = lab.store;
    await lab.start();
    lab.say(created());
    await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
    lab.store.append = () => Promise.reject(new StoreUnavailable('SQLITE_FULL', 'free space', null));
    lab.say(created(7));
    await lab.clock.advance(120_000);
    await lab.daemon.service.stop();
    lab.store.append = append;
    await lab.restart();
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab)).toMatchObject({ verdicts: ['SUCCESS', 'SUCCESS'], stages: 4, servers: 2 });
    expect(lab.crashes).toEqual([]);
  });
});

describe('an adapter with a bug', () => {
  const buggy = (times: number) => {
    let left = times;
    return bent('source', (source) => ({
      fetch: (request, signal) => {
        if (request.patchset.change !== 13 || left === 0) return source.fetch(request, signal);
        left -= 1;
        return Promise.reject(new TypeError('undefined is not a function'));
      },
    }));
  };

  test('once: the daemon exits, records the history, and the next one continues', async () => {
    const lab = new Lab({ slots: 2, bend: buggy(1) });
    await lab.start();
    lab.say(created(12));
    lab.say(created(13));
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab)).toMatchObject({ verdicts: ['SUCCESS', 'SUCCESS'], servers: 2, alarms: [] });
    expect([lab.lives, lab.crashes.length]).toEqual([2, 1]);
    const crashed = [...lab.store.log()].filter(({ type }) => type === 'daemon.crashed');
    expect(crashed).toMatchObject([
      { history: 'j00004', data: { during: 'fetchPatchset:1', message: 'undefined is not a function' } },
    ]);
  });

  test('twice: only that job is parked, with an alarm, the others continue', async () => {
    const lab = new Lab({ slots: 2, bend: buggy(9) });
    await lab.start();
    lab.say(created(12));
    lab.say(created(13));
    lab.say(created(14));
    await lab.run();
    expect(endOf(lab)).toMatchObject({
      verdicts: ['SUCCESS', 'ABORTED', 'SUCCESS'],
      alarms: ['job-parked'],
    });
    expect(lab.jobs().map(({ state }) => state)).toEqual(['done', 'parked', 'done']);
    expect(lab.lives).toBe(3);
    const crashed = [...lab.store.log()].filter(({ type }) => type === 'daemon.crashed');
    expect(crashed.map(({ history }) => history)).toEqual(['j00004', 'j00004']);
    // What the parked job left is for the sweep: two rounds.
    await lab.clock.advance(1_200_000);
    expect(lab.provider.servers()).toEqual([]);
    // It gave its slot on at once: its server is one too many until it is swept.
    expect(broken(lab)).toEqual(['3 servers at a time', 'j00004 ended as parked']);
  });

  test('a kill without a record never counts, however often', async () => {
    const lab = new Lab();
    await lab.start();
    lab.say(created());
    for (let times = 0; times < 5; times += 1) {
      await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
      await lab.restart();
    }
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(lab.lives).toBe(6);
  });

  test('a bug in the store is attributed to no history', async () => {
    const lab = new Lab();
    const { append } = lab.store;
    let broke = false;
    await lab.start();
    lab.say(created());
    when(lab, isAt('testing.running'), () => {
      lab.store.append = async () => {
        broke = true;
        lab.store.append = append;
        throw new Error('SQLITE_CORRUPT: database disk image is malformed');
      };
    });
    await lab.run();
    expect(broke).toBe(true);
    expect(broken(lab)).toEqual([]);
    expect([lab.lives, lab.crashes.length]).toEqual([2, 1]);
    expect([...lab.store.log()].some(({ type }) => type === 'daemon.crashed')).toBe(false);
  });
});

describe('an event that throws inside the machine', () => {
  /** A server without its id is not JSON: the job that is told of it cannot be stored. */
  const poisonous = (change: number) =>
    bentProvider((provider, lab) => ({
      create: async (request, signal) => {
        const server = await provider.create(request, signal);
        const job = lab.store.job(request.owner.job);
        return job?.change === change ? { ...server, id: Number.NaN as unknown as string } : server;
      },
    }));

  test('quarantines its job, whose cleanup still runs; the others continue', async () => {
    const lab = new Lab({ slots: 3, strict: false, bend: poisonous(13), specs: [jobSpec()] });
    await lab.start();
    for (const change of [12, 13, 14]) lab.say(created(change));
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab)).toMatchObject({
      verdicts: ['SUCCESS', 'NODE_FAILURE', 'SUCCESS'],
      stages: 4,
      servers: 3,
    });
    expect([lab.lives, lab.crashes.length]).toEqual([1, 0]);
    const failed = [...lab.store.log()].filter(({ type }) => type === 'machine.failed');
    expect(failed).toMatchObject([
      { history: 'j00004', data: { event: 'server.active' }, settles: 'createServer:1' },
    ]);
  });

  test('with one slot: the quarantined job passes its slot on', async () => {
    const lab = new Lab({ slots: 1, strict: false, bend: poisonous(13) });
    await lab.start();
    for (const change of [13, 14]) lab.say(created(change));
    await lab.run();
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab).verdicts).toEqual(['NODE_FAILURE', 'SUCCESS']);
  });
});
