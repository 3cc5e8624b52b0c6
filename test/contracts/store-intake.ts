/**
 * The contract of the intake's side tables: they are stored with the jobs that the events start, pruned by age, and
 * never ahead of the events.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dispatch, type Submission, submissionFor } from '../../src/engine/loop/dispatch.ts';
import {
  type IntakeUpdate,
  type LogEntry,
  type Store,
  VersionConflict,
} from '../../src/engine/ports/store.ts';
import type { SeenEvent } from '../../src/machines/trigger/deduplication.ts';
import { verdictsOf } from '../../src/machines/verdicts/verdicts.ts';
import { accepted, JOB, opened, PATCHSET, REVIEW, reportSpec, START } from '../machines/facts.ts';
import { sha256 } from '../machines/simulator.ts';
import type { StoreHarness } from './store.ts';

const NOTHING: IntakeUpdate = { seen: [], streamed: [], shown: [], intake: null };

export function storeIntakeContract(name: string, open: () => StoreHarness): void {
  describe(`store contract of the intake: ${name}`, () => {
    let harness: StoreHarness;
    let store: Store;

    beforeEach(() => {
      harness = open();
      store = harness.store;
    });
    afterEach(() => harness.close());

    const seen = (number: number, changes: Partial<SeenEvent> = {}): SeenEvent => ({
      number,
      kind: 'comment',
      change: 7,
      patchset: 3,
      account: 'alice',
      text: 'abc',
      at: START + number * 1_000,
      streamed: true,
      hidden: false,
      ...changes,
    });
    const note = (changes: Partial<IntakeUpdate>) => store.append([], [{ ...NOTHING, ...changes }]);
    const batchOf = (submission: Submission, at = START): readonly LogEntry[] => {
      const batch: LogEntry[] = [];
      dispatch(batch, submission, {
        hash: sha256,
        now: () => at,
        stored: (history) => store.stored(history),
        wasRequested: () => false,
        strict: true,
      });
      return batch;
    };
    const oneJob = () => batchOf({ ...submissionFor(JOB, accepted()), startsOn: 'job@1' });

    test('seen events are stored unchanged, by change, in the same transaction as their jobs', async () => {
      const all = [
        seen(1),
        seen(2, { kind: 'patchset', account: '', hidden: true }),
        seen(3, { streamed: false }),
      ];
      await store.append(oneJob(), [
        { ...NOTHING, seen: all },
        { ...NOTHING, seen: [seen(4, { change: 8 })] },
      ]);
      expect(store.seen(7)).toEqual(all);
      expect(store.seen(8)).toEqual([seen(4, { change: 8 })]);
      expect(store.seen(9)).toEqual([]);
      expect(store.job(JOB)).not.toBeNull();
    });

    test('an event whose start fails is not stored as seen', async () => {
      const batch = oneJob();
      await store.append(batch, [{ ...NOTHING, seen: [seen(1)] }]);
      const again = store.append(batch, [{ ...NOTHING, seen: [seen(2)], streamed: [1] }]);
      await expect(again).rejects.toBeInstanceOf(VersionConflict);
      expect(store.seen(7)).toEqual([seen(1)]);
      expect(store.lastSeen()).toBe(1);
      // A number is stored only once.
      await expect(store.append([], [{ ...NOTHING, seen: [seen(1)] }])).rejects.toThrow();
    });

    test('an event that the stream delivers later, and a patchset that is shown, are marked', async () => {
      await note({ seen: [seen(1, { streamed: false }), seen(2, { kind: 'patchset', hidden: true })] });
      await note({ streamed: [1], shown: [2] });
      expect(store.seen(7)).toEqual([seen(1), seen(2, { kind: 'patchset', hidden: false })]);
    });

    test('numbers are never reused, even after the newest were pruned', async () => {
      expect(store.lastSeen()).toBe(0);
      await note({ seen: [seen(1), seen(2)] });
      expect(store.pruneSeen(START + 99_000, 10)).toBe(2);
      expect([store.seen(7), store.lastSeen()]).toEqual([[], 2]);
    });

    test('the oldest are pruned first, a limited number at a time, and the pruned time is stored', async () => {
      await note({ intake: { origin: START, position: START, prunedBefore: 0 } });
      await note({ seen: [1, 2, 3, 4].map((number) => seen(number)) });
      expect(store.pruneSeen(START + 3_500, 2)).toBe(2);
      expect(store.seen(7).map(({ number }) => number)).toEqual([3, 4]);
      expect(store.intakePosition()?.prunedBefore).toBe(START + 3_500);
      expect(store.pruneSeen(START + 3_500, 2)).toBe(1);
      expect(store.pruneSeen(START + 3_500, 2)).toBe(0);
      expect(store.seen(7).map(({ number }) => number)).toEqual([4]);
    });

    test('a position is stored, and only moves forward', async () => {
      expect(store.intakePosition()).toBeNull();
      await note({ intake: { origin: START, position: START, prunedBefore: 0 } });
      store.moveIntake(START + 9_000);
      store.moveIntake(START + 5_000);
      expect(store.intakePosition()).toEqual({ origin: START, position: START + 9_000, prunedBefore: 0 });
      // An operator may set it back.
      await note({ intake: { origin: START - 60_000, position: START - 60_000, prunedBefore: 0 } });
      expect(store.intakePosition()).toMatchObject({ origin: START - 60_000, position: START - 60_000 });
    });

    test("listening time and others' reports since our newest report are added up, and pruned by age", () => {
      expect(store.reportActivity()).toEqual({ ownAt: null, listenedMs: 0, others: 0 });
      store.recordPeerActivity({ begunAt: START, listenedMs: 100, others: 1 }, START);
      store.recordPeerActivity({ begunAt: START + 100, listenedMs: 50, others: 0 }, START);
      // A clock that went back reports the same time twice.
      store.recordPeerActivity({ begunAt: START + 100, listenedMs: 50, others: 2 }, START);
      expect(store.reportActivity()).toEqual({ ownAt: null, listenedMs: 200, others: 3 });
      store.recordPeerActivity({ begunAt: START + 200, listenedMs: 10, others: 0 }, START + 100);
      expect(store.reportActivity()).toEqual({ ownAt: null, listenedMs: 110, others: 2 });
    });

    test('our newest report is as old as its post, whatever its review is told afterwards', async () => {
      const { project, change, patchset, branch } = PATCHSET;
      const admitted = { type: 'runs.admitted', review: REVIEW, patchset, branch, jobs: [] } as const;
      const verdicts = verdictsOf({ project, change });
      await store.append(
        batchOf({ ...submissionFor(REVIEW, opened(reportSpec(), [])), startsOn: 'review@1' }),
      );
      await store.append(batchOf({ ...submissionFor(verdicts, admitted), startsOn: 'verdicts@1' }));
      await store.append(batchOf(submissionFor(REVIEW, { type: 'review.cancelled', reason: 'by hand' })));
      expect(store.reportActivity().ownAt).toBeNull();
      // The answer of a post that was under way.
      const posted = { type: 'review.posted', found: false, voted: false, why: '' } as const;
      await store.append(batchOf(submissionFor(REVIEW, posted), START + 1_000));
      const published = { type: 'job.evidence-published', job: JOB, url: 'https://logs' } as const;
      await store.append(batchOf(submissionFor(REVIEW, published), START + 9_000));
      expect(store.review(REVIEW)).toMatchObject({ outcome: 'posted', updatedAt: START + 9_000 });
      expect(store.reportActivity().ownAt).toBe(START + 1_000);
    });

    test('survives a rebuild of the views', async () => {
      await note({ seen: [seen(1)], intake: { origin: START, position: START, prunedBefore: 0 } });
      store.replaceViews([]);
      expect([store.seen(7), store.intakePosition()?.origin]).toEqual([[seen(1)], START]);
    });

    test('a reader beside the writer sees the position', async () => {
      await note({ intake: { origin: START, position: START + 1_000, prunedBefore: 0 } });
      const reader = harness.reader?.() ?? store;
      expect(reader.intakePosition()).toEqual({ origin: START, position: START + 1_000, prunedBefore: 0 });
      if (reader !== store) reader.close();
    });
  });
}
