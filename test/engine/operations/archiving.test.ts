/** Old closed histories leave the database for archive files, whole, and nothing else changes. */
import { expect, test } from 'vitest';
import type { NumberedRow } from '../../../src/engine/ports/store.ts';
import { continuedEvent } from '../../../src/machines/continued.ts';
import { lastCleanings } from '../../../src/machines/janitor/cleanings.ts';
import { replayHistory } from '../../../src/machines/replay.ts';
import { ARCHIVE, archiveStatus } from '../../../src/machines/system/archive.ts';
import { VOTING } from '../../../src/machines/system/voting.ts';
import { LONG, sampled } from '../../fixtures/effort.ts';
import { janitorSpec } from '../../machines/facts.ts';
import { sha256 } from '../../machines/simulator.ts';
import { audit, begun, DAY, expectSound, historiesOf, later, settled } from '../../scenarios/archiving.ts';
import type { CiHarness } from '../../scenarios/ci-harness.ts';
import { comment, FIRST } from '../../scenarios/gerrit-events.ts';

const named = (rows: Iterable<NumberedRow>) =>
  [...rows].map(({ seq, history, version, hash }) => `${seq} ${history}/${version} ${hash}`);

test('a review leaves with its jobs; what is left is sound, and nothing is lost', async () => {
  const { ci, archive } = await begun();
  const before = named(ci.store.log());
  await later(ci);
  expect(historiesOf(archive.rows)).toEqual(['j00002', 'j00004', 'r00001', 'r00003']);
  expect(ci.jobs()).toEqual([]);
  expect(new Set(named([...archive.rows, ...ci.store.log()]))).toEqual(
    new Set([...before, ...named(ci.store.log())]),
  );
  expectSound(ci.store);
  for (const history of historiesOf(archive.rows)) {
    const rows = archive.rows.filter((row) => row.history === history);
    expect(replayHistory(rows, sha256)).toMatchObject({ rows: rows.length, difference: null });
  }
  ci.store.close();
});

test('a review that was open or ended later stays, with all its jobs', async () => {
  const { ci, archive } = await begun();
  await later(ci, 30);
  ci.emit(comment('recheck'));
  await ci.run();
  const recent = ci.jobs().at(-1)?.id;
  await later(ci, 31);
  expect(historiesOf(archive.rows)).toHaveLength(4);
  expect(ci.jobs().map(({ id }) => id)).toEqual([recent]);
  expect(audit(ci.store)).toEqual([]);
  // The verdicts of both changes stay, and count for the next review.
  ci.emit(comment('recheck', 'alice', FIRST + 1));
  await ci.run();
  expect(ci.jobs().at(-1)).toMatchObject({ change: FIRST + 1, verdict: 'SUCCESS' });
  expect(audit(ci.store)).toEqual([]);
  ci.store.close();
});

test('the newest cleaning of a janitor stays, and the older ones leave', async () => {
  const view = { name: 'array1', backends: ['array1'], idleMs: null, schedule: null, above: null };
  const definition = { spec: janitorSpec(), view, nextTime: () => null, threshold: null };
  const { ci, archive } = await begun({ backends: { array1: 1 }, definitions: [definition] });
  const clean = async () => {
    await ci.daemon.janitors.clean('array1', { who: 'alice', why: 'the pool is full' });
    await ci.run();
    return lastCleanings(ci.store).get('array1');
  };
  const first = await clean();
  await ci.clock.advance(1_000);
  const second = await clean();
  expect(first?.cleaning).not.toBe(second?.cleaning);
  await later(ci);
  expect(historiesOf(archive.rows)).toContain(first?.cleaning);
  expect(historiesOf(archive.rows)).not.toContain(second?.cleaning);
  expect(lastCleanings(ci.store).get('array1')).toEqual(second);
  expect(audit(ci.store)).toEqual([]);
  ci.store.close();
});

test('nothing leaves when histories are kept forever', async () => {
  const { ci, archive } = await begun({ keepHistoriesMs: Number.MAX_SAFE_INTEGER });
  await later(ci, 3_000);
  expect(archive.rows).toEqual([]);
  ci.store.close();
});

test('a history that never ends is continued, and later its first rows leave', async () => {
  const { ci, archive } = await begun();
  const operator = { type: 'voting.resumed', by: 'alice', why: 'often' } as const;
  for (let times = 0; times < 120; times += 1) await ci.daemon.engine.send(VOTING, operator);
  await later(ci);
  const continued = ci.store.rows(VOTING).at(-1);
  expect(continued?.type).toBe('history.continued');
  expect(archive.rows.some(({ history }) => history === VOTING)).toBe(false);
  await ci.daemon.engine.send(VOTING, operator);
  await later(ci);
  expect(archive.rows.filter(({ history }) => history === VOTING)).toHaveLength(
    Number(continued?.version) - 1,
  );
  const rows = ci.store.rows(VOTING);
  expect(rows[0]).toEqual(continued);
  expect(replayHistory(rows, sha256).stored).toEqual(ci.store.stored(VOTING));
  expectSound(ci.store);
  ci.store.close();
});

test('a history is continued only with the state that it has', async () => {
  const { ci } = await begun({ strict: false });
  const stored = ci.store.stored(VOTING);
  if (stored === null) throw new Error('no history of voting');
  const forged = continuedEvent({ ...stored, context: { ...stored.context, stops: 7 } });
  await ci.daemon.engine.send(VOTING, forged);
  expect(ci.store.rows(VOTING).at(-1)?.type).toBe('machine.failed');
  expect(ci.store.stored(VOTING)?.context).toEqual(stored.context);
  ci.store.close();
});

test('the oldest files are removed over the limit, the newest never', async () => {
  const { ci, archive } = await begun({ maxArchiveBytes: 1 });
  await later(ci);
  expect([...archive.files.keys()]).toEqual([1]);
  ci.emit(comment('recheck'));
  await ci.run();
  await later(ci);
  expect([...archive.files.keys()]).toEqual([2]);
  expect(archiveStatus(ci.store.stored(ARCHIVE))).toMatchObject({ count: 2, files: [{ number: 2 }] });
  expect(audit(ci.store)).toEqual([]);
  ci.store.close();
});

test('a history that changes while its file is written stays, and leaves the next day', async () => {
  const { ci, archive } = await begun();
  ci.daemon.life.end();
  await ci.clock.advance(61 * DAY);
  await ci.restart();
  ci.holdAt('after archive', 1_000, () => {
    void ci.daemon.engine.send('j00002', { type: 'job.cancelled', reason: 'by hand' });
  });
  await ci.clock.advance(60_000);
  await settled(ci);
  await ci.clock.advance(1_000);
  await settled(ci);
  expect([...archive.files.keys()]).toEqual([1]);
  expect(ci.store.rows(ARCHIVE)).toEqual([]);
  expect(ci.jobs()).toHaveLength(2);
  expect(audit(ci.store)).toEqual([]);
  await later(ci);
  expect(ci.jobs()).toEqual([]);
  expect(audit(ci.store)).toEqual([]);
  ci.store.close();
});

test('a crash at any point of it loses and doubles nothing', LONG, async () => {
  const whole = await begun({ maxArchiveBytes: 1 });
  /** Two runs, of which the second removes the file of the first. */
  const story = async (ci: CiHarness) => {
    await later(ci);
    if (!ci.daemon.life.alive) await later(ci, 1);
    ci.emit(comment('recheck'));
    await ci.run();
    await later(ci);
    if (!ci.daemon.life.alive) await later(ci, 1);
  };
  await story(whole.ci);
  const { points } = whole.ci;
  whole.ci.store.close();
  const around = points.flatMap((point, index) => (/ (archive|removeArchive)$/.test(point) ? [index] : []));
  const appends = points.flatMap((point, index) =>
    / append$/.test(point) && points.slice(index - 4, index).includes('after archive') ? [index] : [],
  );
  expect(around).toHaveLength(6);
  expect(appends.length).toBeGreaterThanOrEqual(4);
  for (const index of sampled([...around, ...appends])) {
    const all: NumberedRow[] = [];
    const { ci, archive } = await begun({ maxArchiveBytes: 1 });
    all.push(...ci.store.log());
    ci.onDurable = () => {
      for (const row of ci.store.log()) if (row.seq > (all.at(-1)?.seq ?? 0)) all.push(row);
    };
    ci.crashAt = [index];
    await story(ci);
    expect(ci.lives, points[index]).toBe(4);
    expect(audit(ci.store)).toEqual([]);
    const { files, absent } = archiveStatus(ci.store.stored(ARCHIVE)) ?? { files: [], absent: [] };
    expect([...archive.files.keys()], points[index]).toEqual(files.map(({ number }) => number));
    const present = named(ci.store.log());
    const gone = all.filter(({ seq }) => absent.some(([first, last]) => first <= seq && seq <= last));
    expect([...present, ...named(gone)].length).toBe(all.length);
    expect(new Set([...present, ...named(gone)])).toEqual(new Set(named(all)));
    ci.store.close();
  }
});
