/**
 * The contract of stores. The harness opens an empty store and runs raw statements on it; if other programs can open
 * it too, it also gives a second reader.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { topState } from '../../src/cli/output/state-spans.ts';
import { dispatch, type Submission } from '../../src/engine/loop/dispatch.ts';
import {
  JOB_ORDERS,
  type JobOrder,
  type JobQuery,
  type LogEntry,
  type Store,
  type StoreReader,
  VersionConflict,
} from '../../src/engine/ports/store.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { ALL_FILES } from '../../src/machines/trigger/rules/files.ts';
import { verdictsOf } from '../../src/machines/verdicts/verdicts.ts';
import { jobSpec, PATCHSET, preparePlan, reportSpec, START, server } from '../machines/facts.ts';
import { sha256 } from '../machines/simulator.ts';

export interface StoreHarness {
  readonly store: Store;
  /** A second, read-only view of the same store, or null if the store cannot be opened twice. */
  readonly reader: (() => StoreReader) | null;
  /** Runs a statement on the raw database. @throws the database's error */
  readonly raw: (sql: string) => void;
  close(): void;
}

export function storeContract(name: string, open: () => StoreHarness): void {
  describe(`store contract: ${name}`, () => {
    let harness: StoreHarness;
    let store: Store;
    let now = START;

    beforeEach(() => {
      harness = open();
      store = harness.store;
      now = START;
    });
    afterEach(() => harness.close());

    const batchOf = (...happenings: readonly Submission[]): readonly LogEntry[] => {
      const batch: LogEntry[] = [];
      const options = {
        hash: sha256,
        now: () => now,
        stored: (id: string) => store.stored(id),
        wasRequested: () => false,
        strict: true,
      };
      for (const happening of happenings) dispatch(batch, happening, options);
      return batch;
    };
    const submissionOf = (history: string, event: AnyEvent, settles: string | null = null): Submission => ({
      history,
      startsOn: history.startsWith('verdicts:')
        ? 'verdicts@1'
        : history.startsWith('r')
          ? 'review@1'
          : 'job@1',
      event,
      settles,
      causationId: null,
    });
    const begun = (number: number, trigger = `trigger-${number}`, change = PATCHSET.change) => {
      const [job, review] = [`j${number}`, `r${number}`];
      const patchset = { ...PATCHSET, change };
      const jobs = [{ job, name: 'acme-dsvm', voting: true, files: ALL_FILES }];
      const [plan, report] = [preparePlan(), reportSpec({ enabled: false })];
      return [
        submissionOf(review, {
          type: 'review.opened',
          review,
          pipeline: 'check',
          patchset,
          trigger,
          jobs,
          plan,
          report,
        }),
        submissionOf(job, { type: 'job.accepted', job, review, deployment: 'd', patchset, spec: jobSpec() }),
        submissionOf(job, { type: 'job.ready', trees: [] }),
        submissionOf(verdictsOf(patchset), {
          type: 'runs.admitted',
          review,
          patchset: patchset.patchset,
          branch: patchset.branch,
          jobs,
        }),
      ];
    };
    const append = async (...happenings: readonly Submission[]) => {
      const batch = batchOf(...happenings);
      await store.append(batch);
      return batch;
    };

    test('appended rows are stored, complete and in order', async () => {
      const first = await append(...begun(1));
      now += 1_000;
      const second = await append(submissionOf('j1', { type: 'slot.granted' }, 'slot'));
      const rows = [...store.log()];
      expect(rows.map(({ seq, ...row }) => row)).toEqual([...first, ...second].map(({ row }) => row));
      expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
      expect(store.rows('j1').map(({ version, type }) => [version, type])).toEqual([
        [1, 'job.accepted'],
        [2, 'job.ready'],
        [3, 'slot.granted'],
      ]);
      expect([...store.histories()]).toEqual(['r1', 'j1', verdictsOf(PATCHSET)]);
      expect(store.rows('nobody')).toEqual([]);
      expect(store.rowsAfter(2, 2).map(({ seq }) => seq)).toEqual([3, 4]);
      expect(store.rowsAfter(5, 2)).toEqual([]);
    });

    test('a batch is all or nothing', async () => {
      await append(...begun(1));
      const before = [[...store.log()], [...store.views()]];
      const good = batchOf(...begun(2));
      const stale = batchOf(submissionOf('j1', { type: 'slot.granted' }, 'slot'));
      await store.append(stale);
      const afterStale = [[...store.log()], [...store.views()]];
      expect(afterStale).not.toEqual(before);
      await expect(store.append([...good, ...stale])).rejects.toBeInstanceOf(VersionConflict);
      expect([[...store.log()], [...store.views()]]).toEqual(afterStale);
      expect([store.job('j2'), store.stored('r2'), store.triggered('trigger-2')]).toEqual([
        null,
        null,
        false,
      ]);
    });

    test('of two steps from the same version, one is rejected', async () => {
      await append(...begun(1));
      const one = batchOf(submissionOf('j1', { type: 'slot.granted' }, 'slot'));
      const other = batchOf(submissionOf('j1', { type: 'job.cancelled', reason: 'by hand' }));
      await store.append(other);
      await expect(store.append(one)).rejects.toBeInstanceOf(VersionConflict);
      const types = store.rows('j1').map(({ type }) => type);
      expect(types).toEqual(['job.accepted', 'job.ready', 'job.cancelled', 'verdict.accepted']);
    });

    test('jobs can be selected', async () => {
      await append(...begun(1));
      now += 1_000;
      await ended(2);
      const ids = (query: Omit<JobQuery, 'limit'>) => store.jobs({ ...query, limit: 9 }).map(({ id }) => id);
      const { project, branch, owner } = PATCHSET;
      expect(ids({ project, branch, owner, name: jobSpec().name })).toEqual(['j2', 'j1']);
      for (const query of [
        { project: 'x' },
        { branch: 'x' },
        { owner: 'x' },
        { name: 'x' },
        { verdicts: [] },
      ])
        expect(ids(query), JSON.stringify(query)).toEqual([]);
      expect(ids({ verdicts: ['SUCCESS', 'ABORTED'] })).toEqual(['j2']);
      const [first, second] = ['j1', 'j2'].map((id) => topState(store.job(id)?.state ?? ''));
      expect(first).not.toBe(second);
      expect(ids({ state: first ?? '' })).toEqual(['j1']);
      expect(ids({ state: (first ?? '').slice(1) })).toEqual([]);
      expect(ids({ since: now })).toEqual(['j2']);
      expect(ids({ until: now })).toEqual(['j1']);
      expect(ids({ open: true, change: PATCHSET.change, since: START, until: now })).toEqual(['j1']);
      expect(store.jobs({ project, limit: 1 }).map(({ id }) => id)).toEqual(['j2']);
    });

    test('jobs can be sorted, those without a value last', async () => {
      await append(...begun(1));
      now += 1_000;
      await ended(2);
      now += 1_000;
      await append(...begun(3));
      const ids = (by: JobOrder, descending: boolean) =>
        store.jobs({ sort: { by, descending }, limit: 9 }).map(({ id }) => id);
      expect(ids('accepted', false)).toEqual(['j1', 'j2', 'j3']);
      expect(ids('id', true)).toEqual(['j3', 'j2', 'j1']);
      for (const descending of [false, true]) {
        expect(ids('ended', descending)).toEqual(['j2', 'j3', 'j1']);
        expect(ids('verdict', descending)).toEqual(['j2', 'j3', 'j1']);
      }
      for (const by of JOB_ORDERS) expect(ids(by, true).length, by).toBe(3);
      const first = { sort: { by: 'accepted', descending: false }, limit: 1 } as const;
      expect(store.jobs(first).map(({ id }) => id)).toEqual(['j1']);
    });

    test('a trigger starts once', async () => {
      expect(store.triggered('same')).toBe(false);
      await append(...begun(1, 'same'));
      expect(store.triggered('same')).toBe(true);
      const again = batchOf(...begun(2, 'same'));
      await expect(store.append(again)).rejects.toBeInstanceOf(VersionConflict);
      expect(store.jobs({ limit: 9 }).map(({ id }) => id)).toEqual(['j1']);
    });

    test('rows of the log cannot be changed, deleted or replaced', async () => {
      await append(...begun(1));
      const before = [...store.log()];
      for (const sql of [
        "UPDATE event SET state = 'done'",
        'UPDATE event SET seq = 99 WHERE seq = 1',
        'DELETE FROM event',
        'DELETE FROM event WHERE seq = 2',
        'INSERT OR REPLACE INTO event SELECT * FROM event WHERE seq = 1',
        "REPLACE INTO event SELECT 99, history, version, type, event_version, at, data, settles, causation_id, outcome, machine, 'done', state_hash, effects, hash FROM event WHERE seq = 1",
      ]) {
        expect(() => harness.raw(sql), sql).toThrow();
      }
      expect([...store.log()]).toEqual(before);
    });

    test('the views are updated in the same transaction: state, job, review, pending effects', async () => {
      await append(...begun(1));
      const job = { id: 'j1', state: 'queued.waiting', ended: false, attempt: 1, verdict: null };
      expect(store.job('j1')).toMatchObject(job);
      const review = { id: 'r1', state: 'preparing.lookingUp', ended: false, outcome: null };
      expect(store.review('r1')).toMatchObject(review);
      expect(
        store
          .outbox('j1')
          .map(({ key }) => key)
          .sort(),
      ).toEqual(['deadline:queued', 'slot']);
      now += 5_000;
      const [granted] = await append(submissionOf('j1', { type: 'slot.granted' }, 'slot'));
      expect(store.job('j1')).toMatchObject({ state: 'booting.creating', updatedAt: now, acceptedAt: START });
      expect(store.outbox('j1').map(({ key, seq, requestedAt }) => [key, seq, requestedAt])).toEqual([
        ['createServer:1', 5, now],
        ['deadline:booting:1', 5, now],
      ]);
      expect(store.stored('j1')).toEqual(granted?.stored);
      expect(store.outbox().map(({ key }) => key)).toContain('deadline:lookingUp:1');
    });

    /** All events of a cancelled job. */
    const ended = async (number: number) => {
      const job = `j${number}`;
      await append(...begun(number, `trigger-${number}`, PATCHSET.change + number));
      await append(submissionOf(`r${number}`, { type: 'review.cancelled', reason: 'abandoned' }));
      await append(submissionOf(job, { type: 'server.deleted', deleted: 0 }, 'deleteServer:1'));
      await append(submissionOf(job, { type: 'evidence.discarded' }, 'discardEvidence:1'));
    };

    test('every requested effect is known, including settled and cancelled ones', async () => {
      await append(...begun(1));
      await append(submissionOf('j1', { type: 'slot.granted' }, 'slot'));
      const keys = ['slot', 'deadline:queued', 'createServer:1', 'createServer:2'];
      expect(keys.map((key) => store.wasRequested('j1', key))).toEqual([true, true, true, false]);
      expect(store.wasRequested('j2', 'slot')).toBe(false);
    });

    test('ended jobs are counted once, by day, name and verdict', async () => {
      await ended(1);
      now += 86_400_000;
      await ended(2);
      await ended(3);
      // Events after a job's end do not count it again.
      await append(submissionOf('j3', { type: 'job.cancelled', reason: 'again' }));
      const [day, next] = [START, now].map((at) => new Date(at).toISOString().slice(0, 10));
      const counted = (on: string | undefined, jobs: number) => ({
        day: on,
        name: 'acme-dsvm',
        verdict: 'ABORTED',
        jobs,
      });
      expect(store.counts('2000-01-01')).toEqual([counted(day, 1), counted(next, 2)]);
      expect(store.counts(next ?? '')).toEqual([counted(next, 2)]);
    });

    test('open histories are returned in the order of their first row, as they were stored', async () => {
      const all = [...(await append(...begun(2))), ...(await append(...begun(1)))];
      await ended(3);
      const newest = new Map(all.map(({ stored }) => [stored.history, stored]));
      expect(store.open()).toEqual([...newest.values()]);
    });

    test('the newest histories of one kind are returned, open or ended, the last names first', async () => {
      await ended(2);
      for (const number of [3, 1]) await append(...begun(number));
      const names = (limit: number) => store.newestHistories('j', limit).map(({ history }) => history);
      expect([names(9), names(2)]).toEqual([
        ['j3', 'j2', 'j1'],
        ['j3', 'j2'],
      ]);
      expect(store.newestHistories('j', 1)).toEqual([store.stored('j3')]);
    });

    test('jobs and reviews are found by the fields that people search', async () => {
      await append(...begun(1, 'a', 100));
      await append(...begun(2, 'b', 200));
      await ended(3);
      const ids = (query: Parameters<Store['jobs']>[0]) => store.jobs(query).map(({ id }) => id);
      expect(ids({ limit: 9 })).toEqual(['j3', 'j2', 'j1']);
      expect(ids({ limit: 2 })).toEqual(['j3', 'j2']);
      expect(ids({ open: true, limit: 9 })).toEqual(['j2', 'j1']);
      expect(ids({ open: false, limit: 9 })).toEqual(['j3']);
      expect(ids({ change: 100, limit: 9 })).toEqual(['j1']);
      expect(ids({ change: 100, open: false, limit: 9 })).toEqual([]);
      expect(store.reviews({ open: true, limit: 9 }).map(({ id }) => id)).toEqual(['r2', 'r1']);
      expect(store.openReviews('openstack/cinder', 200)).toEqual([
        { id: 'r2', patchset: 3, branch: 'master' },
      ]);
      expect(store.openReviews('openstack/nova', 200)).toEqual([]);
      expect(store.jobIds('j', 9)).toEqual(['j1', 'j2', 'j3']);
      expect([store.jobIds('j2', 9), store.jobIds('j', 1), store.jobIds('%', 9)]).toEqual([
        ['j2'],
        ['j1'],
        [],
      ]);
      expect([store.job('j9'), store.review('j1'), store.stored('nobody')]).toEqual([null, null, null]);
    });

    test('stores counts, alarms, the daemon and the deployment outside the log', () => {
      store.count('patchset-created', 2);
      store.count('patchset-created', 1);
      const alarm = { kind: 'queue-full', target: '1,1', message: 'full', hint: 'wait' } as const;
      store.alarm(alarm, 5);
      store.alarm({ ...alarm, message: 'still full' }, 7);
      const daemon = {
        pid: 1,
        startTicks: 2,
        startedAt: 3,
        version: '0',
        mode: 'running',
        stream: 'connected',
      };
      expect(store.daemon()).toBeNull();
      store.setDaemon(daemon);
      expect(store.intake()).toEqual({ 'patchset-created': 3 });
      expect(store.alarms(9)).toMatchObject([{ ...alarm, message: 'still full', lastAt: 7, times: 2 }]);
      expect(store.daemon()).toEqual(daemon);
      expect(store.deployment()).toMatch(/^[0-9a-f]{16}$/);
    });

    test('above the limit only the newest alarms are kept', () => {
      const alarm = { kind: 'queue-full', message: 'full', hint: 'wait' } as const;
      for (let at = 1; at <= 60; at += 1) store.alarm({ ...alarm, target: `${at},1` }, at, 0, 50);
      const kept = store.alarms(2_000);
      expect(kept).toHaveLength(50);
      expect([kept[0]?.lastAt, kept.at(-1)?.lastAt]).toEqual([60, 11]);
    });

    test('views that are rebuilt from the rows are identical', async () => {
      const all: LogEntry[] = [];
      for (const number of [1, 2]) all.push(...(await append(...begun(number))));
      all.push(...(await append(submissionOf('j1', { type: 'slot.granted' }, 'slot'))));
      const active = { type: 'server.active', server: server(), adopted: false } as const;
      all.push(...(await append(submissionOf('j1', active, 'createServer:1'))));
      all.push(...(await append(submissionOf('r2', { type: 'review.cancelled', reason: 'abandoned' }))));
      const before = [...store.views()];
      expect(before.length).toBeGreaterThan(10);
      store.replaceViews(all.map((one, index) => ({ ...one, seq: index + 1 })));
      expect([...store.views()]).toEqual(before);
      store.replaceViews([]);
      expect([...store.views()]).toEqual([]);
      expect([...store.log()]).toHaveLength(all.length);
    });

    test('a failed rebuild leaves the views unchanged', async () => {
      const all = await append(...begun(1));
      const before = [...store.views()];
      const numbered = all.map((one, index) => ({ ...one, seq: index + 1 }));
      expect(() => store.replaceViews([...numbered, ...numbered])).toThrow();
      expect([...store.views()]).toEqual(before);
    });

    test('a second reader sees complete batches, and sees them at once', async () => {
      if (harness.reader === null) {
        expect(name).toContain(':memory:');
        return;
      }
      const reader = harness.reader();
      expect([...reader.log()]).toEqual([]);
      await append(...begun(1));
      expect(reader.job('j1')).toEqual(store.job('j1'));
      expect([...reader.views()]).toEqual([...store.views()]);
      const reading = reader.log()[Symbol.iterator]();
      reading.next();
      // A read in progress does not block writers, and does not see their changes.
      await append(submissionOf('j1', { type: 'slot.granted' }, 'slot'));
      expect(reading.next().value).toMatchObject({ seq: 2 });
      expect(reader.rows('j1')).toHaveLength(3);
      reader.close();
    });
  });
}
