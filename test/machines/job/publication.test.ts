/** publication@1: evidence that is published after its job has ended. */
import { describe, expect, test } from 'vitest';
import { publicationOf } from '../../../src/machines/job/publication.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { versionOf } from '../../../src/machines/versions.ts';
import { expectConsistent } from '../expect-consistent.ts';
import { FAILED, failure, JOB, PATCHSET, REVIEW, TREE } from '../facts.ts';
import { runUntil, Simulator } from '../simulator.ts';

function pending(simulator: Simulator) {
  const stored = simulator.at(ID);
  return versionOf(stored).pendingEvidence(stored);
}

const ID = publicationOf(JOB);
const URL = `https://logs.example.org/${JOB}/`;
const unpublished: AnyEvent = { type: 'evidence.publish-failed', failure: failure('publish evidence') };

function opened(ageMs = 3_600_000): Simulator {
  const simulator = new Simulator();
  simulator.send(ID, {
    type: 'publication.opened',
    review: REVIEW,
    publish: {
      owner: { deployment: 'lab-1', job: JOB, attempt: 1 },
      patchset: PATCHSET,
      name: 'acme-dsvm',
      pipeline: 'check',
      verdict: 'FAILURE',
      reason: '1 of 3 tests failed',
      results: FAILED,
      trees: [TREE],
      dependencies: [],
      siblings: [],
      environment: null,
      timeoutMs: 60_000,
    },
    url: URL,
    bytes: 4_096,
    why: 'publish evidence: no space left on device',
    limits: { retryMs: 10_000, retryMaxMs: 60_000, ageMs },
  });
  return simulator;
}

const sentEvents = (simulator: Simulator) => simulator.undelivered.map(({ to, event }) => [to, event]);
const alarms = (simulator: Simulator) =>
  simulator
    .rowsOf(ID)
    .flatMap((row) => row.effects.flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm] : [])));

describe('a publication', () => {
  test('raises an alarm, and waits twice as long before each attempt, up to a limit', () => {
    const simulator = opened();
    expect(alarms(simulator)).toMatchObject([{ kind: 'evidence-pending', target: 'logs' }]);
    const waits = [1, 2, 3, 4, 5].map(() => {
      const before = simulator.now;
      simulator.fire(ID);
      const waited = simulator.now - before;
      simulator.answerType(ID, 'publishEvidence', unpublished);
      return waited;
    });
    expect(waits).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
    expectConsistent(simulator);
  });

  test('notifies its job and its review once it is published, and removes the collected files', () => {
    const simulator = opened();
    expect([pending(simulator)?.held?.bytes, pending(simulator)?.url]).toEqual([4_096, URL]);
    simulator.fire(ID);
    const row = simulator.answerType(ID, 'publishEvidence');
    expect(sentEvents(simulator)).toEqual([
      [JOB, { type: 'evidence.published', url: URL }],
      [REVIEW, { type: 'job.evidence-published', job: JOB, url: URL }],
    ]);
    expect(row.effects).toContainEqual(
      expect.objectContaining({ type: 'discardEvidence', job: JOB, part: 'collected' }),
    );
    expect(alarms(simulator).at(-1)).toMatchObject({ kind: 'evidence-pending', cleared: true });
    expect(pending(simulator)).toBeNull();
    expect(simulator.answerType(ID, 'discardEvidence').state).toBe('done');
    expectConsistent(simulator);
  });

  test('is abandoned when it is too old, with the newest reason', () => {
    const simulator = opened(15_000);
    simulator.fire(ID);
    simulator.answerType(ID, 'publishEvidence', unpublished);
    simulator.fire(ID);
    const why = 'publish evidence: it broke';
    expect(sentEvents(simulator)).toEqual([
      [JOB, { type: 'evidence.abandoned', why }],
      [REVIEW, { type: 'job.evidence-abandoned', job: JOB, why }],
    ]);
    expect(alarms(simulator).at(-1)).toMatchObject({ kind: 'evidence-lost', target: `job ${JOB}` });
    expectConsistent(simulator);
  });

  test('that is dropped while it publishes waits for the result, which counts', () => {
    const simulator = opened();
    simulator.fire(ID);
    simulator.send(ID, { type: 'publication.dropped', why: 'too much' });
    expect([simulator.at(ID).state, pending(simulator)?.held]).toEqual(['publishing', null]);
    const other = simulator.fork();
    simulator.answerType(ID, 'publishEvidence');
    expect(sentEvents(simulator)).toContainEqual([
      REVIEW,
      { type: 'job.evidence-published', job: JOB, url: URL },
    ]);
    other.answerType(ID, 'publishEvidence', unpublished);
    expect(sentEvents(other)).toContainEqual([
      REVIEW,
      expect.objectContaining({ type: 'job.evidence-abandoned' }),
    ]);
    expectConsistent(simulator);
    expectConsistent(other);
  });

  test('accepts the late result of an attempt that timed out', () => {
    const simulator = opened();
    simulator.fire(ID);
    simulator.fire(ID);
    expect(simulator.at(ID).state).toBe('backoff');
    simulator.answer(ID, 'publishEvidence:1');
    expect(simulator.at(ID)).toMatchObject({ state: 'discarding', context: { outcome: 'published' } });
    expectConsistent(simulator);
  });

  test('ends even if nothing can be removed: the sweep continues', () => {
    const simulator = opened();
    simulator.fire(ID);
    simulator.answerType(ID, 'publishEvidence');
    const discarding = simulator.fork();
    simulator.answerType(ID, 'discardEvidence', {
      type: 'evidence.discard-failed',
      failure: failure('discard evidence'),
    });
    expect(simulator.at(ID).state).toBe('done');
    discarding.fire(ID);
    expect(discarding.at(ID).state).toBe('done');
    expectConsistent(simulator);
  });

  test.each(['backoff', 'publishing'] as const)(
    'is abandoned in %s when its work crashed the daemon twice',
    (state) => {
      const simulator = opened();
      runUntil(simulator, ID, state);
      const crashed: AnyEvent = { type: 'daemon.crashed', during: 'publishEvidence:1', message: 'a bug' };
      simulator.send(ID, crashed);
      expect(simulator.at(ID).state).toBe(state);
      simulator.send(ID, crashed);
      expect(simulator.at(ID)).toMatchObject({ state: 'discarding', context: { outcome: 'abandoned' } });
      expectConsistent(simulator);
    },
  );
});
