/** A single step: settled effects, late events, unhandled events, and programmers' errors. */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import type { HistorySnapshot, MachineName } from '../../src/machines/protocol/row.ts';
import { type StepInput, step } from '../../src/machines/step.ts';
import { accepted, JOB, jobReport, jobSpec, opened, REVIEW, reportSpec, START } from './facts.ts';
import { Simulator, sha256 } from './simulator.ts';

const happening = (event: AnyEvent, changes: Partial<StepInput> = {}): StepInput => ({
  history: JOB,
  machine: 'job@1',
  event,
  at: START,
  settles: null,
  causationId: null,
  ...changes,
});
const begun = step(null, happening(accepted()), sha256).stored;
const queued = step(begun, happening({ type: 'job.ready', trees: [] }), sha256).stored;
const granted: AnyEvent = { type: 'slot.granted' };

describe('an event that settles', () => {
  test('removes its effect from the pending ones, and changes the state', () => {
    const { stored, row } = step(queued, happening(granted, { settles: 'slot' }), sha256);
    expect(Object.keys(queued.pending).sort()).toEqual(['deadline:queued', 'slot']);
    expect(Object.keys(stored.pending).sort()).toEqual(['createServer:1', 'deadline:booting:1']);
    expect(row).toMatchObject({ version: 3, outcome: 'moved', settles: 'slot', state: 'booting.creating' });
  });

  test.each([
    ['an effect that was settled before', 'slot'],
    ['an effect that was withdrawn', 'deadline:queued'],
    ['an effect that was never requested', 'createServer:7'],
  ])('%s is recorded, and changes nothing', (_, settles) => {
    const before = step(queued, happening(granted, { settles: 'slot' }), sha256).stored;
    const { stored, row } = step(before, happening(granted, { settles }), sha256);
    expect(row).toMatchObject({ version: 4, outcome: 'late', state: 'booting.creating', effects: [] });
    expect({ ...stored, version: 3, hash: before.hash }).toEqual(before);
    expect(stored.hash).not.toBe(before.hash);
  });
});

describe('an event that no state handles', () => {
  test('is recorded as ignored', () => {
    const { stored, row } = step(queued, happening({ type: 'verdict.accepted' }), sha256);
    expect(row).toMatchObject({ version: 3, outcome: 'ignored', state: 'queued.waiting', effects: [] });
    expect(stored.context).toEqual(queued.context);
  });

  test('still settles its effect', () => {
    const { stored, row } = step(queued, happening({ type: 'alarm.raised' }, { settles: 'slot' }), sha256);
    expect(row.outcome).toBe('ignored');
    expect(Object.keys(stored.pending)).toEqual(['deadline:queued']);
  });

  test('differs from an event that is handled without a change', () => {
    const done = Simulator.job().run().at(JOB);
    const { row } = step(done, happening({ type: 'job.cancelled', reason: 'x' }), sha256);
    expect(row).toMatchObject({ outcome: 'moved', state: 'done', effects: [] });
  });

  test('includes the first event of a history when it comes again', () => {
    expect(step(queued, happening(accepted()), sha256).row.outcome).toBe('ignored');
  });
});

describe('time', () => {
  test('never goes back within a history, and due times are relative to it', () => {
    const { row } = step(queued, happening(granted, { settles: 'slot', at: START - 5_000 }), sha256);
    expect(row.at).toBe(START);
    expect(row.effects.at(-1)).toMatchObject({ type: 'setTimer', dueAt: START + 900_000, delayMs: 900_000 });
  });

  test('advances with the clock', () => {
    expect(step(queued, happening(granted, { settles: 'slot', at: START + 7 }), sha256).row.at).toBe(
      START + 7,
    );
  });
});

test('an effect that is requested and cancelled within one event is not recorded', () => {
  const simulator = Simulator.review();
  const done = simulator.send(REVIEW, { type: 'job.reported', report: jobReport({ verdict: 'ABORTED' }) });
  expect([done.state, done.effects.map(({ type }) => type)]).toEqual([
    'done',
    ['sendEvent', 'sendEvent', 'cancelEffect', 'sendEvent'],
  ]);
  const none = new Simulator();
  none.send(REVIEW, opened(reportSpec(), []));
  none.answerType(REVIEW, 'lookUpChange');
  const row = none.answerType(REVIEW, 'mergePatchset');
  expect([row.state, row.effects, none.pendingEffects(REVIEW)]).toEqual([
    'done',
    [
      { type: 'cancelEffect', key: 'deadline:merging:1' },
      expect.objectContaining({ event: { type: 'review.ended', review: REVIEW } }),
    ],
    [],
  ]);
});

test('versions increase by one, and each hash includes the previous one', () => {
  const one = step(null, happening(accepted()), sha256);
  const other = step(null, happening(accepted(jobSpec({ name: 'other' }))), sha256);
  const [a, b] = [one, other].map(({ stored }) =>
    step(stored, happening({ type: 'job.ready', trees: [] }), sha256),
  );
  expect([one.row.version, a?.row.version]).toEqual([1, 2]);
  expect(a?.row.hash).not.toBe(b?.row.hash);
});

test('the cause is part of the row', () => {
  const [one, two] = ['review-1/2', 'review-1/3'].map(
    (cause) =>
      step(queued, happening({ type: 'job.superseded', by: 'x' }, { causationId: cause }), sha256).row,
  );
  expect(one?.causationId).toBe('review-1/2');
  expect(one?.hash).not.toBe(two?.hash);
});

describe('programmers’ errors are thrown', () => {
  test.each<[string, HistorySnapshot | null, StepInput, string]>([
    ['another history', queued, happening(granted, { history: 'job-2' }), 'job-2 is not the history job-1'],
    [
      'another machine',
      queued,
      happening(granted, { machine: 'review@1' }),
      'job-1 is on job@1, not on review@1',
    ],
    [
      'another machine, by a late event',
      queued,
      happening(granted, { machine: 'review@1', settles: 'x' }),
      'job-1 is on job@1, not on review@1',
    ],
    [
      'an unknown machine',
      null,
      happening(accepted(), { machine: 'job@9' as MachineName }),
      'there is no machine job@9',
    ],
    [
      'a first event that begins no history',
      null,
      happening(granted),
      'a job begins with job.accepted, not slot.granted',
    ],
    [
      'an effect that is already pending',
      {
        ...queued,
        pending: {
          ...queued.pending,
          'createServer:1': { type: 'raiseAlarm', key: 'createServer:1' } as never,
        },
      },
      happening(granted, { settles: 'slot' }),
      'effect createServer:1 was requested before',
    ],
    [
      'a state that the machine does not have',
      { ...queued, value: 'nowhere' },
      happening(granted, { settles: 'slot' }),
      'nowhere',
    ],
  ])('%s', (_, before, what, message) => {
    expect(() => step(before, what, sha256)).toThrow(message);
  });
});
