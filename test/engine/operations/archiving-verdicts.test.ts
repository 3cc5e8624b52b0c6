/** The verdicts of a change leave the database when the change is closed, and begin again when it is tested again. */
import { expect, test } from 'vitest';
import { ARCHIVE, archiveStatus } from '../../../src/machines/system/archive.ts';
import { verdictsOf } from '../../../src/machines/verdicts/verdicts.ts';
import { newest } from '../../../src/machines/versions.ts';
import { FakeHistoryArchive } from '../../fakes/history-archive.ts';
import { LONG, sampled } from '../../fixtures/effort.ts';
import { jobSpec } from '../../machines/facts.ts';
import { jobRules } from '../../machines/rule-facts.ts';
import { audit, begun, DAY, expectSound, historiesOf, later, settled } from '../../scenarios/archiving.ts';
import { CiHarness, SUCCESSFUL_STAGE } from '../../scenarios/ci-harness.ts';
import { wrapProvider } from '../../scenarios/faults.ts';
import {
  abandoned,
  comment,
  created,
  deleted,
  FIRST,
  merged,
  patchset,
  restored,
} from '../../scenarios/gerrit-events.ts';

const VERDICTS = `verdicts:openstack/cinder~${FIRST}`;

test.each([
  ['merged', merged],
  ['abandoned', abandoned],
  ['deleted', deleted],
])('verdicts leave when their change is %s', async (_, close) => {
  const { ci, archive } = await begun();
  ci.emit(close());
  await ci.run();
  await later(ci, 59);
  expect(archive.rows).toEqual([]);
  await later(ci, 2);
  expect(historiesOf(archive.rows)).toEqual(['j00002', 'j00004', 'r00001', 'r00003', VERDICTS]);
  expect([...ci.store.histories()].filter((history) => history.startsWith('verdicts:'))).toEqual([
    `verdicts:openstack/cinder~${FIRST + 1}`,
  ]);
  expectSound(ci.store);
  ci.store.close();
});

test('verdicts stay when their change was closed and is open again', async () => {
  const { ci, archive } = await begun();
  ci.emit(abandoned());
  ci.emit(restored());
  await ci.run();
  await later(ci);
  ci.emit(abandoned(FIRST + 1));
  await later(ci, 1);
  expect(historiesOf(archive.rows)).not.toContain(VERDICTS);
  expect(historiesOf(archive.rows)).toContain(`verdicts:openstack/cinder~${FIRST + 1}`);
  ci.store.close();
});

test('verdicts stay while Gerrit does not answer, and leave the next day', async () => {
  const { ci, archive } = await begun();
  ci.emit(merged());
  await ci.run();
  const away = { operation: 'query', target: '', message: 'away', retryable: true, hint: 'wait' };
  ci.holdAt('after archive', 1_000, () => ci.past.failNext(away));
  await later(ci);
  await ci.clock.advance(1_000);
  await settled(ci);
  expect(historiesOf(archive.rows)).toEqual(['j00002', 'j00004', 'r00001', 'r00003']);
  expect(ci.log.lines).toContain('warn archive of histories: away');
  await later(ci, 1);
  expect(historiesOf(archive.rows)).toContain(VERDICTS);
  expect(audit(ci.store)).toEqual([]);
  ci.store.close();
});

test('verdicts stay while a job of their change is open', async () => {
  let deleting = new Promise<void>(() => {});
  const archive = new FakeHistoryArchive();
  const ci = new CiHarness({
    ...{ archive, keepHistoriesMs: 60 * DAY },
    wrapAdapters: wrapProvider((inner) => ({
      delete: (...what) => deleting.then(() => inner.delete(...what)),
    })),
  });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.store.reviews({ open: false, limit: 1 }).length > 0);
  ci.emit(merged());
  await ci.untilIdle();
  await later(ci);
  expect(ci.store.stored(VERDICTS)).toMatchObject({ ended: true });
  expect(ci.store.job('j00002')).toMatchObject({ ended: false, verdict: 'SUCCESS' });
  expect(archive.rows).toEqual([]);
  deleting = Promise.resolve();
  await later(ci, 1);
  await ci.run();
  await later(ci);
  expect(historiesOf(archive.rows)).toEqual(['j00002', 'r00001', VERDICTS]);
  expect(audit(ci.store)).toEqual([]);
  ci.store.close();
});

test('verdicts that left do not count: a restored change gets no vote before all its jobs have run again', async () => {
  const failing = new Set(['acme-fc']);
  const names = ['acme-iscsi', 'acme-fc'];
  const { ci, archive } = await begun({
    specs: names.map((name) => jobSpec({ name, exitCodeIsResult: true, results: null, stacking: null })),
    rules: {
      jobs: names.map((name) =>
        jobRules({ name, triggers: ['patchset', 'recheck'], comments: [`^check ${name}`] }),
      ),
    },
    stage: ({ name }) => ({
      ...SUCCESSFUL_STAGE,
      outcome: { how: 'exited', code: failing.has(name) ? 1 : 0 },
    }),
  });
  const vote = () => ci.reviewer.vote(FIRST, 1);
  expect(vote()).toBe(-1);
  ci.emit(abandoned());
  await ci.run();
  await later(ci);
  expect(historiesOf(archive.rows)).toContain(VERDICTS);
  const { length } = ci.jobs();
  ci.emit(restored());
  await ci.run();
  ci.emit(comment('check acme-iscsi'));
  await ci.run();
  expect(
    ci
      .jobs()
      .slice(length)
      .map(({ name, verdict }) => `${name} ${verdict}`),
  ).toEqual(['acme-iscsi SUCCESS']);
  expect(vote()).toBe(-1);
  expect(ci.reviewer.posted.at(-1)).toMatchObject({ labels: {} });
  failing.clear();
  ci.emit(comment('check acme-fc'));
  await ci.run();
  expect(vote()).toBe(1);
  expect(ci.store.rows(VERDICTS)[0]).toMatchObject({ version: 1, type: 'runs.admitted' });
  expect(audit(ci.store)).toEqual([]);
  ci.emit(merged());
  await later(ci);
  expect(archive.rows.filter(({ history, version }) => history === VERDICTS && version === 1)).toHaveLength(
    2,
  );
  expect(audit(ci.store)).toEqual([]);
  ci.store.close();
});

test('verdicts of a change that Gerrit does not show stay when not all of its answer could be read', async () => {
  const { ci, archive } = await begun();
  ci.emit(deleted());
  ci.emit(merged(FIRST + 1));
  await ci.run();
  const read = ci.past.read.bind(ci.past);
  ci.past.read = async (...what) => ({ ...(await read(...what)), unparsed: 1 });
  await later(ci);
  expect(historiesOf(archive.rows)).not.toContain(VERDICTS);
  expect(historiesOf(archive.rows)).toContain(`verdicts:openstack/cinder~${FIRST + 1}`);
  ci.store.close();
});

test('a run asks about 2,000 changes, and the next one about others', LONG, async () => {
  const ci = new CiHarness({ keepHistoriesMs: 60 * DAY });
  await ci.start();
  const history = (change: number) => verdictsOf(patchset(change));
  const changes = Array.from({ length: 2_200 }, (_, index) => FIRST + index);
  const submissions = changes.flatMap((change) => {
    const [review, to] = [`r-${change}`, { settles: null, causationId: null, history: history(change) }];
    const admitted = { type: 'runs.admitted', review, patchset: 1, branch: 'master', jobs: [] } as const;
    const ended = { type: 'review.ended', review } as const;
    return [
      { ...to, startsOn: newest.verdicts, event: admitted },
      { ...to, event: ended },
    ];
  });
  await ci.daemon.engine.submit(submissions);
  const open = new Set(changes.slice(0, 2_100));
  for (const change of open) ci.past.say(created(change));
  let asked = 0;
  const read = ci.past.read.bind(ci.past);
  ci.past.read = (request, signal) => {
    if (request.since === null) asked += request.changes.length;
    return read(request, signal);
  };
  const left = () => changes.filter((change) => ci.store.stored(history(change)) === null);
  for (const days of [61, 1, 1]) {
    const before = asked;
    await later(ci, days);
    while (asked - before < 2_000) await ci.untilIdle();
    await settled(ci);
    expect(asked - before).toBe(2_000);
  }
  expect(left()).toEqual(changes.slice(2_100));
  ci.store.close();
});

test('a crash at any point: verdicts leave once, and begin again', LONG, async () => {
  /** They leave, the change is tested again when it is restored, and they leave again. */
  const story = async (ci: CiHarness) => {
    for (const close of [abandoned, merged]) {
      ci.emit(close());
      await ci.run();
      await later(ci);
      if (!ci.daemon.life.alive) await later(ci, 1);
      ci.emit(restored());
      await ci.run();
    }
  };
  const whole = await begun();
  const { length } = whole.ci.points;
  await story(whole.ci);
  const { points } = whole.ci;
  whole.ci.store.close();
  const archived = points.flatMap((point, index) => (point === 'before archive' ? [index] : []));
  expect(archived).toHaveLength(4);
  // From the first check of the histories to the row of the verdicts' file.
  const near = [...points.keys()].filter(
    (index) => index >= length && archived.some((one) => index >= one && index < one + 4),
  );
  for (const index of sampled(near)) {
    const { ci, archive } = await begun();
    ci.crashAt = [index];
    await story(ci);
    expect(ci.lives, points[index]).toBe(4);
    const left = archiveStatus(ci.store.stored(ARCHIVE));
    const rows = archive.rows.filter(({ history }) => history === VERDICTS);
    expect(
      rows.filter(({ version }) => version === 1),
      points[index],
    ).toHaveLength(2);
    expect(new Set(rows.map(({ seq }) => seq)).size).toBe(rows.length);
    for (const { seq } of rows)
      expect(left?.absent.some(([first, last]) => first <= seq && seq <= last)).toBe(true);
    expect(ci.store.rows(VERDICTS)[0]).toMatchObject({ version: 1, type: 'runs.admitted' });
    expect(ci.jobs().filter(({ change }) => change === FIRST)).toMatchObject([{ verdict: 'SUCCESS' }]);
    expect(audit(ci.store), points[index]).toEqual([]);
    ci.store.close();
  }
});
