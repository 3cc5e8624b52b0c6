/**
 * Any sequence of events keeps the invariants: successful, failed, late and repeated answers, timers, cancels,
 * supersedes, internal errors, crashes, and clocks that go back, in any order.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VERDICTS } from '../../src/machines/model/verdict.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import type { HistorySnapshot } from '../../src/machines/protocol/row.ts';
import { step } from '../../src/machines/step.ts';
import { EXHAUSTIVE, runs } from '../fixtures/effort.ts';
import { otherAnswers } from './answers.ts';
import { JOB, jobReport, jobSpec, opened, REVIEW, reportSpec } from './facts.ts';
import { differences, invariantViolations } from './invariants.ts';
import { Simulator, sha256, succeed } from './simulator.ts';

/** One simulated event; the numbers choose among the events that are possible at that time. */
type Happening =
  | { readonly what: 'answer'; readonly which: number; readonly how: number }
  | { readonly what: 'timer'; readonly which: number }
  | { readonly what: 'again'; readonly which: number; readonly how: number }
  | { readonly what: 'unknown'; readonly which: number }
  | { readonly what: 'said'; readonly which: number; readonly how: number }
  | { readonly what: 'clock'; readonly ms: number };

const which = fc.nat({ max: 20 });
const how = fc.nat({ max: 9 });
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ what: fc.constant('answer' as const), which, how }) },
  { weight: 5, arbitrary: fc.record({ what: fc.constant('timer' as const), which }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('again' as const), which, how }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('unknown' as const), which }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('said' as const), which, how }) },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('clock' as const),
      ms: fc.integer({ min: -1e9, max: 1e9 }),
    }),
  },
);

const shape = fc.record({
  stacking: fc.boolean(),
  results: fc.boolean(),
  exitCodeIsResult: fc.boolean(),
  setupAttempts: fc.integer({ min: 1, max: 3 }),
  publishAttempts: fc.integer({ min: 1, max: 3 }),
  cleanupAttempts: fc.integer({ min: 1, max: 3 }),
  jobs: fc.integer({ min: 1, max: 3 }),
  label: fc.boolean(),
  post: fc.boolean(),
});

/** A review without its jobs, which can report any verdict. */
const reviewStory = fc.record({
  label: fc.boolean(),
  postAttempts: fc.integer({ min: 1, max: 3 }),
  verdicts: fc.array(fc.constantFrom(...VERDICTS), { minLength: 1, maxLength: 2 }),
  happenings: fc.array(happening, { maxLength: 40, size: 'max' }),
});

const story = fc.record({ shape, happenings: fc.array(happening, { maxLength: 90, size: 'max' }) });

describe('any sequence of events', () => {
  test('keeps the invariants, and ends once every effect is answered', () => {
    fc.assert(
      fc.property(story, ({ shape, happenings }) => {
        const simulator = simulatorOf(shape);
        for (const happening of happenings) apply(simulator, happening);
        simulator.answers = succeed;
        simulator.run(400);
        expect(simulator.ended, simulator.summary()).toBe(true);
        expect(invariantViolations(simulator)).toEqual([]);
        expect(differences(simulator)).toEqual([]);
      }),
      { numRuns: runs(80) },
    );
  });

  test('keeps the invariants of a single review', () => {
    const states = new Set<string>();
    fc.assert(
      fc.property(reviewStory, ({ label, postAttempts, verdicts, happenings }) => {
        const simulator = new Simulator(succeed);
        const jobs = verdicts.map((_, index) => ({
          job: `job-${index}`,
          name: index === 0 ? 'acme-dsvm' : 'acme-fc',
          voting: true,
        }));
        simulator.send(REVIEW, opened(reportSpec({ label: label ? 'Verified' : null, postAttempts }), jobs));
        const reports = verdicts.map((verdict, index) =>
          jobReport({ job: `job-${index}`, verdict, reason: 'x' }),
        );
        for (const report of reports) {
          for (const happening of happenings.splice(0, 3)) apply(simulator, happening);
          simulator.send(REVIEW, { type: 'job.reported', report });
        }
        for (const happening of happenings) apply(simulator, happening);
        simulator.answers = succeed;
        simulator.run(400);
        for (const row of simulator.log) states.add(row.state);
        expect(simulator.ended, simulator.summary()).toBe(true);
        expect(invariantViolations(simulator)).toEqual([]);
        expect(differences(simulator)).toEqual([]);
      }),
      { numRuns: runs(150) },
    );
    // All runs together reach the important states.
    if (EXHAUSTIVE)
      expect([...states]).toEqual(
        expect.arrayContaining([
          'raisingAlarm',
          'confirmingVote.readingVotes',
          'done',
          'posting.sending',
          'awaitingJobs',
        ]),
      );
  });

  test('continues from a stored snapshot exactly as from memory', () => {
    fc.assert(
      fc.property(story, ({ shape, happenings }) => {
        const simulator = simulatorOf(shape);
        for (const happening of happenings) apply(simulator, happening);
        for (const rows of simulator.rows.values()) {
          let memory: HistorySnapshot | null = null;
          for (const row of rows) {
            const stored: HistorySnapshot | null =
              memory === null ? null : JSON.parse(JSON.stringify(memory));
            const event = { ...row.data, type: row.type } as unknown as AnyEvent;
            const fromStore = step(stored, { ...row, event }, sha256);
            const fromMemory = step(memory, { ...row, event }, sha256);
            expect(fromStore).toEqual(fromMemory);
            expect(fromStore.row).toEqual(row);
            memory = fromMemory.stored;
          }
        }
      }),
      { numRuns: runs(25) },
    );
  });
});

function simulatorOf(shape: {
  readonly stacking: boolean;
  readonly results: boolean;
  readonly exitCodeIsResult: boolean;
  readonly setupAttempts: number;
  readonly publishAttempts: number;
  readonly cleanupAttempts: number;
  readonly jobs: number;
  readonly label: boolean;
  readonly post: boolean;
}): Simulator {
  const { setupAttempts, publishAttempts, cleanupAttempts } = shape;
  const spec = jobSpec({
    exitCodeIsResult: shape.exitCodeIsResult,
    ...(shape.stacking ? {} : { stacking: null }),
    ...(shape.results ? {} : { results: null }),
    limits: { setupAttempts, publishAttempts, cleanupAttempts },
  });
  const report = reportSpec({ enabled: shape.post, label: shape.label ? 'Verified' : null });
  return Simulator.reviewWithJobs(
    Array.from({ length: shape.jobs }, () => spec),
    report,
  );
}

function apply(simulator: Simulator, one: Happening): void {
  switch (one.what) {
    case 'answer': {
      const effects = [...simulator.stored.keys()].flatMap((history) =>
        simulator
          .pendingEffects(history)
          .filter(({ type }) => type !== 'setTimer')
          .map((effect) => ({ history, effect })),
      );
      const chosen = effects[one.which % Math.max(1, effects.length)];
      if (chosen === undefined) return;
      const others = otherAnswers(chosen.effect);
      // Most answers are successful, so that histories get far.
      const event = one.how < 6 ? undefined : others[one.how % Math.max(1, others.length)];
      simulator.answer(chosen.history, chosen.effect.key, event);
      return;
    }
    case 'timer': {
      const timers = [...simulator.stored.keys()].flatMap((history) =>
        simulator
          .pendingEffects(history)
          .filter(({ type }) => type === 'setTimer')
          .map(({ key }) => ({ history, key })),
      );
      const chosen = timers[one.which % Math.max(1, timers.length)];
      if (chosen !== undefined) simulator.answer(chosen.history, chosen.key);
      return;
    }
    case 'again':
      repeatAnswer(simulator, one);
      return;
    case 'unknown':
      simulator.send(historyOf(simulator, one.which), { type: 'alarm.raised' }, { settles: 'never:asked' });
      return;
    case 'said':
      sendExternalEvent(simulator, one);
      return;
    case 'clock':
      simulator.now = Math.max(0, simulator.now + one.ms);
  }
}

/** Repeats an earlier answer. */
function repeatAnswer(simulator: Simulator, one: { readonly which: number; readonly how: number }): void {
  const history = historyOf(simulator, one.which);
  const settled = simulator.rowsOf(history).filter((row) => row.settles !== null);
  const row = settled[one.how % Math.max(1, settled.length)];
  if (row === undefined || row.settles === null) return;
  const before = simulator.at(history);
  const event = { ...row.data, type: row.type } as unknown as AnyEvent;
  const servers = [...simulator.servers];
  const after = simulator.send(history, event, { settles: row.settles });
  simulator.servers.clear();
  for (const name of servers) simulator.servers.add(name);
  expect([after.outcome, after.state, after.effects]).toEqual(['late', before.state, []]);
}

function sendExternalEvent(
  simulator: Simulator,
  one: { readonly which: number; readonly how: number },
): void {
  const history = historyOf(simulator, one.which);
  const events: readonly AnyEvent[] =
    history === REVIEW
      ? [
          { type: 'review.cancelled', reason: 'the change was abandoned' },
          { type: 'review.superseded', by: '912345,4' },
          { type: 'machine.failed', event: 'review.posted', message: 'broken' },
          { type: 'machine.quarantine-failed', event: 'review.posted', message: 'broken' },
          { type: 'daemon.crashed', during: 'postReview', message: 'broken' },
        ]
      : [
          { type: 'job.cancelled', reason: 'by hand' },
          { type: 'job.superseded', by: '912345,4' },
          { type: 'job.promoted', by: 'alice', why: 'by hand' },
          { type: 'machine.failed', event: 'stage.exited', message: 'broken' },
          { type: 'machine.quarantine-failed', event: 'stage.exited', message: 'broken' },
          { type: 'daemon.crashed', during: 'runStage', message: 'broken' },
          { type: 'stage.started', stage: 'testing', pid: 42, adopted: true },
        ];
  const event = events[one.how % events.length];
  if (event !== undefined) simulator.send(history, event);
}

function historyOf(simulator: Simulator, which: number): string {
  const histories = [...simulator.stored.keys()];
  return histories[which % histories.length] ?? JOB;
}
