/** An error in our own code affects its own history, never the daemon. The injected hash makes a step fail. */
import { describe, expect, test } from 'vitest';
import { type DispatchOptions, dispatch } from '../../../src/engine/loop/dispatch.ts';
import type { LogEntry } from '../../../src/engine/ports/store.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { JOB, REVIEW, START } from '../../machines/facts.ts';
import { runUntil, Simulator, sha256 } from '../../machines/simulator.ts';

const cancelled: AnyEvent = { type: 'job.cancelled', reason: 'the change was abandoned' };

/** Dispatches the event to a job that tests; rows of the types in `failing` cannot be created. */
function dispatchEvent(
  event: AnyEvent,
  failing: readonly string[],
  strict = false,
  requestedBefore: readonly string[] = [],
): readonly LogEntry[] {
  const simulator = runUntil(Simulator.reviewWithJobs(), JOB, 'testing.running');
  const options: DispatchOptions = {
    hash: (text) => {
      const type = failing.find((name) => text.includes(`"type":"${name}"`));
      if (type !== undefined) throw new Error(`a bug at ${type}`);
      return sha256(text);
    },
    now: () => START,
    stored: (history) => simulator.stored.get(history) ?? null,
    wasRequested: (_, key) => requestedBefore.includes(key),
    strict,
  };
  const batch: LogEntry[] = [];
  dispatch(batch, { history: JOB, startsOn: 'job@1', event, settles: null, causationId: null }, options);
  return batch;
}

test('an event that throws sends its job to cleanup', () => {
  const [{ row } = { row: null }] = dispatchEvent(cancelled, ['job.cancelled']);
  expect(row).toMatchObject({
    type: 'machine.failed',
    state: 'cleanup.awaitingEffects',
    data: { event: 'job.cancelled', message: 'a bug at job.cancelled' },
  });
});

test('when the path to cleanup throws as well, the job is parked and an alarm is raised', () => {
  const [append] = dispatchEvent(cancelled, ['job.cancelled', 'machine.failed']);
  expect(append).toMatchObject({
    row: {
      type: 'machine.quarantine-failed',
      state: 'parked',
      data: { event: 'job.cancelled', message: 'a bug at machine.failed' },
    },
    stored: { ended: true, context: { slot: false } },
    projection: { verdict: 'ABORTED', reason: 'internal error at job.cancelled: a bug at machine.failed' },
    endsJob: true,
  });
  expect(append?.row.effects.at(-1)).toMatchObject({ type: 'raiseAlarm', alarm: { kind: 'job-parked' } });
});

describe('an event for a missing history', () => {
  /** A job that reports to a review that is not in the store. */
  function orphan(strict = false): { readonly batch: LogEntry[]; readonly options: DispatchOptions } {
    const simulator = runUntil(Simulator.reviewWithJobs(), JOB, 'testing.running');
    const options: DispatchOptions = {
      hash: sha256,
      now: () => START,
      stored: (history) => (history === REVIEW ? null : (simulator.stored.get(history) ?? null)),
      wasRequested: () => false,
      strict,
    };
    return { batch: [], options };
  }
  const submission = {
    history: JOB,
    event: cancelled,
    settles: null,
    causationId: null,
  } as const;

  test('fails its sender, which is cleaned up', () => {
    const { batch, options } = orphan();
    dispatch(batch, submission, options);
    expect(batch.map(({ row }) => [row.history, row.type, row.state])).toEqual([
      [JOB, 'machine.failed', 'cleanup.awaitingEffects'],
    ]);
    expect(batch[0]?.row.data).toEqual({ event: 'job.cancelled', message: `there is no history ${REVIEW}` });
  });

  test('does not affect the rest of the batch', () => {
    const { batch, options } = orphan();
    const simulator = Simulator.reviewWithJobs();
    const other = 'review-2';
    const history = new Map([[other, { ...simulator.at(REVIEW), history: other }]]);
    const stored = (name: string) => history.get(name) ?? options.stored(name);
    const event = { type: 'daemon.crashed', during: 'x', message: 'y' } as const;
    dispatch(
      batch,
      { history: other, startsOn: 'review@1', event, settles: null, causationId: null },
      { ...options, stored },
    );
    dispatch(batch, submission, { ...options, stored });
    expect(batch.map(({ row }) => row.history)).toEqual([other, JOB]);
  });

  test('is an error in tests', () => {
    const { batch, options } = orphan(true);
    expect(() => dispatch(batch, submission, options)).toThrow(`there is no history ${REVIEW}`);
    expect(batch).toEqual([]);
  });
});

test('a reused effect key sends its job to cleanup', () => {
  const event: AnyEvent = { type: 'stage.exited', stage: 'testing', end: { how: 'exited', code: 0 } };
  const [{ row } = { row: null }] = dispatchEvent(event, [], false, ['readResults:1']);
  expect(row).toMatchObject({
    type: 'machine.failed',
    state: 'cleanup.awaitingEffects',
    data: { message: 'effect readResults:1 was requested before' },
  });
});

test('a complete failure stores nothing, and tests see the error at once', () => {
  expect(() =>
    dispatchEvent(cancelled, ['job.cancelled', 'machine.failed', 'machine.quarantine-failed']),
  ).toThrow('machine.quarantine-failed');
  expect(() => dispatchEvent(cancelled, ['job.cancelled'], true)).toThrow('a bug at job.cancelled');
});
