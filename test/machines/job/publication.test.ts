/** publication@1: evidence that is published after its job has ended. */
import { describe, expect, test } from 'vitest';
import { publicationOf } from '../../../src/machines/job/publication.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { versionOf } from '../../../src/machines/versions.ts';
import { FAILED, failure, JOB, PATCHSET, REVIEW, TREE } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { comeTo, Simulator } from '../simulator.ts';

function pending(world: Simulator) {
  const stored = world.at(ID);
  return versionOf(stored).pendingEvidence(stored);
}

const ID = publicationOf(JOB);
const URL = `https://logs.example.org/${JOB}/`;
const unpublished: AnyEvent = { type: 'evidence.publish-failed', failure: failure('publish evidence') };

function opened(ageMs = 3_600_000): Simulator {
  const world = new Simulator();
  world.send(ID, {
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
      timeoutMs: 60_000,
    },
    url: URL,
    bytes: 4_096,
    why: 'publish evidence: no space left on device',
    limits: { retryMs: 10_000, retryMaxMs: 60_000, ageMs },
  });
  return world;
}

const sentEvents = (world: Simulator) => world.undelivered.map(({ to, event }) => [to, event]);
const alarms = (world: Simulator) =>
  world
    .rowsOf(ID)
    .flatMap((row) => row.effects.flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm] : [])));

describe('a publication', () => {
  test('raises an alarm, and waits twice as long before each attempt, up to a limit', () => {
    const world = opened();
    expect(alarms(world)).toMatchObject([{ kind: 'evidence-pending', target: 'logs' }]);
    const waits = [1, 2, 3, 4, 5].map(() => {
      const before = world.now;
      world.fire(ID);
      const waited = world.now - before;
      world.answerType(ID, 'publishEvidence', unpublished);
      return waited;
    });
    expect(waits).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
    orderly(world);
  });

  test('notifies its job and its review once it is published, and removes the collected files', () => {
    const world = opened();
    expect([pending(world)?.held?.bytes, pending(world)?.url]).toEqual([4_096, URL]);
    world.fire(ID);
    const row = world.answerType(ID, 'publishEvidence');
    expect(sentEvents(world)).toEqual([
      [JOB, { type: 'evidence.published', url: URL }],
      [REVIEW, { type: 'job.evidence-published', job: JOB, url: URL }],
    ]);
    expect(row.effects).toContainEqual(
      expect.objectContaining({ type: 'discardEvidence', job: JOB, part: 'collected' }),
    );
    expect(alarms(world).at(-1)).toMatchObject({ kind: 'evidence-pending', cleared: true });
    expect(pending(world)).toBeNull();
    expect(world.answerType(ID, 'discardEvidence').state).toBe('done');
    orderly(world);
  });

  test('is abandoned when it is too old, with the newest reason', () => {
    const world = opened(15_000);
    world.fire(ID);
    world.answerType(ID, 'publishEvidence', unpublished);
    world.fire(ID);
    const why = 'publish evidence: it broke';
    expect(sentEvents(world)).toEqual([
      [JOB, { type: 'evidence.abandoned', why }],
      [REVIEW, { type: 'job.evidence-abandoned', job: JOB, why }],
    ]);
    expect(alarms(world).at(-1)).toMatchObject({ kind: 'evidence-lost', target: `job ${JOB}` });
    orderly(world);
  });

  test('that is dropped while it publishes waits for the answer, which counts', () => {
    const world = opened();
    world.fire(ID);
    world.send(ID, { type: 'publication.dropped', why: 'too much' });
    expect([world.at(ID).state, pending(world)?.held]).toEqual(['publishing', null]);
    const other = world.fork();
    world.answerType(ID, 'publishEvidence');
    expect(sentEvents(world)).toContainEqual([
      REVIEW,
      { type: 'job.evidence-published', job: JOB, url: URL },
    ]);
    other.answerType(ID, 'publishEvidence', unpublished);
    expect(sentEvents(other)).toContainEqual([
      REVIEW,
      expect.objectContaining({ type: 'job.evidence-abandoned' }),
    ]);
    orderly(world);
    orderly(other);
  });

  test('accepts the answer of an attempt that timed out', () => {
    const world = opened();
    world.fire(ID);
    world.fire(ID);
    expect(world.at(ID).state).toBe('backoff');
    world.answer(ID, 'publishEvidence:1');
    expect(world.at(ID)).toMatchObject({ state: 'discarding', context: { outcome: 'published' } });
    orderly(world);
  });

  test('ends even if nothing can be removed: the sweep continues', () => {
    const world = opened();
    world.fire(ID);
    world.answerType(ID, 'publishEvidence');
    const discarding = world.fork();
    world.answerType(ID, 'discardEvidence', {
      type: 'evidence.discard-failed',
      failure: failure('discard evidence'),
    });
    expect(world.at(ID).state).toBe('done');
    discarding.fire(ID);
    expect(discarding.at(ID).state).toBe('done');
    orderly(world);
  });

  test.each(['backoff', 'publishing'] as const)(
    'is abandoned in %s when its work crashed the daemon twice',
    (state) => {
      const world = opened();
      comeTo(world, ID, state);
      const crashed: AnyEvent = { type: 'daemon.crashed', during: 'publishEvidence:1', message: 'a bug' };
      world.send(ID, crashed);
      expect(world.at(ID).state).toBe(state);
      world.send(ID, crashed);
      expect(world.at(ID)).toMatchObject({ state: 'discarding', context: { outcome: 'abandoned' } });
      orderly(world);
    },
  );
});
