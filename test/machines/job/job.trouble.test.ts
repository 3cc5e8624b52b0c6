/**
 * job@1 when the rest of its life goes wrong: tests that fail or vanish, evidence that cannot be published, servers
 * that cannot be removed, an error of our own, and a daemon that dies of this job.
 */
import { describe, expect, test } from 'vitest';
import { publicationOf } from '../../../src/machines/job/publication.ts';
import type { Stage, StageEnd } from '../../../src/machines/model/domain.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { FAILED, failure, JOB, jobSpec, REVIEW } from '../facts.ts';
import { orderly } from '../orderly.ts';
import { answerWell, comeTo, Simulator, unless } from '../simulator.ts';

const undeleted: AnyEvent = { type: 'server.delete-failed', failure: failure('delete server') };

function verdictOf(world: Simulator): unknown {
  const [sent, ...more] = world.undelivered.filter(({ event }) => event.type === 'job.reported');
  expect(more).toEqual([]);
  const event = sent?.event;
  return event?.type === 'job.reported' ? [event.report.verdict, event.report.reason] : undefined;
}

describe('a test that did not pass', () => {
  test('with failures in its results is FAILURE, and names them', () => {
    const world = Simulator.job();
    world.answers = (effect, it) => {
      if (effect.type === 'readResults') return { type: 'results.read', results: FAILED };
      if (effect.type === 'runStage' && effect.run.stage === 'testing') {
        return { type: 'stage.exited', stage: 'testing', end: { how: 'exited', code: 1 } };
      }
      return answerWell(effect, it);
    };
    expect(verdictOf(world.run())).toEqual(['FAILURE', '1 of 3 tests failed: test_volume_create']);
    orderly(world);
  });

  test.each<[StageEnd, string, string]>([
    [{ how: 'killed', signal: 9 }, 'NODE_FAILURE', 'testing was killed by signal 9'],
    [{ how: 'timedOut' }, 'TIMED_OUT', 'testing ran into its timeout'],
    [{ how: 'exited', code: 127 }, 'NODE_FAILURE', 'testing: the command was not found (exit 127)'],
  ])('%j is %s, and is not retried', (end, verdict, reason) => {
    const world = comeTo(Simulator.job(), JOB, 'testing.running');
    world.answerType(JOB, 'runStage', { type: 'stage.exited', stage: 'testing', end });
    expect(verdictOf(world.run())).toEqual([verdict, reason]);
    orderly(world);
  });

  test.each([
    ['stacking', 'RETRY_LIMIT', 'E: no such package'],
    ['testing', 'FAILURE', 'E: no such package'],
    ['testing', 'SUCCESS', null],
  ] as const)('reports the last output of %s, if it explains %s', (stage, verdict, lastLine) => {
    const world = Simulator.job(jobSpec({ results: null, exitCodeIsResult: true }));
    world.answers = (effect, it) => {
      if (effect.type !== 'runStage' || effect.run.stage !== stage || verdict === 'SUCCESS')
        return answerWell(effect, it);
      const end = { how: 'exited', code: 1 } as const;
      return { type: 'stage.exited', stage, end, lastLine: 'E: no such\u202e package' };
    };
    world.run();
    const sent = world.log.flatMap((row) => row.effects).find((effect) => effect.type === 'sendEvent');
    expect(sent).toMatchObject({ event: { report: { verdict, lastLine } } });
    orderly(world);
  });

  test('for an infrastructure reason raises an alarm with the fix', () => {
    const world = comeTo(Simulator.job(), JOB, 'testing.running');
    const end = { how: 'exited', code: 127 } as const;
    world.answerType(JOB, 'runStage', { type: 'stage.exited', stage: 'testing', end });
    world.run();
    const alarms = world.log
      .flatMap((row) => row.effects)
      .flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm] : []));
    expect(alarms).toMatchObject([{ kind: 'command-missing', target: 'acme-dsvm' }]);
    expect(alarms[0]?.message).toContain('the command was not found (exit 127)');
    expect(alarms[0]?.hint).toContain('correct the command, or install it where the job runs');
  });

  const exited = (stage: Stage, code: number): AnyEvent => ({
    type: 'stage.exited',
    stage,
    end: { how: 'exited', code },
  });
  test.each<[string, Stage, AnyEvent, readonly string[]]>([
    ['a setup script that fails', 'stacking', exited('stacking', 1), []],
    ['a setup command that is not there', 'stacking', exited('stacking', 127), ['command-missing']],
    ['a setup command that may not run', 'stacking', exited('stacking', 126), ['command-missing']],
    ['a test that exits with 1 though none failed', 'testing', exited('testing', 1), ['no-result']],
    [
      'a setup that is killed',
      'stacking',
      { type: 'stage.exited', stage: 'stacking', end: { how: 'killed', signal: 9 } },
      ['node-failing'],
    ],
    [
      'a setup that is lost',
      'stacking',
      { type: 'stage.lost', stage: 'stacking', why: 'no lock, no rc' },
      ['node-failing'],
    ],
    [
      'a test that is lost',
      'testing',
      { type: 'stage.lost', stage: 'testing', why: 'no lock, no rc' },
      ['node-failing'],
    ],
  ])('%s raises the matching alarm', (_what, stage, event, kinds) => {
    const world = Simulator.job();
    world.answers = (effect, it) =>
      effect.type === 'runStage' && effect.run.stage === stage ? event : answerWell(effect, it);
    world.run();
    const raised = world.log
      .flatMap((row) => row.effects)
      .flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm.kind] : []));
    expect(raised).toEqual(kinds);
    orderly(world);
  });

  test.each<AnyEvent>([
    { type: 'stage.lost', stage: 'testing', why: 'no lock, no rc' },
    { type: 'stage.start-failed', stage: 'testing', failure: failure('run stage') },
  ])('%j is a failure of the node', (event) => {
    const world = comeTo(Simulator.job(), JOB, 'testing.running');
    world.answerType(JOB, 'runStage', event);
    expect(verdictOf(world.run())).toContain('NODE_FAILURE');
    orderly(world);
  });

  test.each([
    ['unreadable', (world: Simulator) => world.answerType(JOB, 'readResults', unreadable)],
    ['read too slowly', (world: Simulator) => world.fire(JOB)],
  ])('with results that are %s is never FAILURE', (_, happens) => {
    const world = comeTo(Simulator.job(), JOB, 'testing.running');
    world.answerType(JOB, 'runStage', {
      type: 'stage.exited',
      stage: 'testing',
      end: { how: 'exited', code: 1 },
    });
    happens(world);
    expect(verdictOf(world.run())).toContain('POST_FAILURE');
    orderly(world);
  });
});

const unreadable: AnyEvent = { type: 'results.read-failed', why: 'results.tap is missing' };

describe('evidence that cannot be collected', () => {
  test('is retried up to the limit, then a success is POST_FAILURE', () => {
    const world = Simulator.job();
    const event = { type: 'evidence.collect-failed', failure: failure('collect evidence') } as const;
    world.answers = unless('collectEvidence', event);
    world.run();
    expect(verdictOf(world)).toEqual(['POST_FAILURE', `${event.failure.operation}: it broke`]);
    const asked = world.rowsOf(JOB).flatMap((row) => row.effects.map((effect) => effect.type));
    expect(asked.filter((name) => name === 'collectEvidence')).toHaveLength(3);
    orderly(world);
  });
});

describe('evidence that cannot be published', () => {
  const unpublished = (retryable = true): AnyEvent => ({
    type: 'evidence.publish-failed',
    failure: failure('publish evidence', { retryable }),
  });
  const handedOver = (world: Simulator) => {
    const { verdict, evidence, url } = world.at(JOB).context;
    return [verdict, evidence, url];
  };
  const URL = `https://logs.example.org/${JOB}/`;

  test.each([true, false])('is reported at once, and the verdict stays (retryable: %s)', (retryable) => {
    const world = comeTo(Simulator.job(), JOB, 'publishing.uploading');
    const row = world.answerType(JOB, 'publishEvidence', unpublished(retryable));
    expect(row.state).toBe('reporting');
    expect(handedOver(world)).toEqual(['SUCCESS', 'pending', URL]);
    expect(world.undelivered.at(-1)).toMatchObject({
      to: REVIEW,
      event: { report: { verdict: 'SUCCESS', evidence: 'pending', url: URL } },
    });
    expect(world.at(publicationOf(JOB))).toMatchObject({
      machine: 'publication@1',
      state: 'backoff',
      context: { bytes: 4_096, url: URL },
    });
    orderly(world.run());
  });

  test('is reported too when publishing does not answer', () => {
    const world = comeTo(Simulator.job(), JOB, 'publishing.uploading');
    world.fire(JOB);
    expect(handedOver(world)).toEqual(['SUCCESS', 'pending', URL]);
  });

  test('keeps no server: the job discards only what its stages left', () => {
    const world = comeTo(Simulator.job(), JOB, 'publishing.uploading');
    world.answerType(JOB, 'publishEvidence', unpublished());
    world.send(JOB, { type: 'verdict.accepted' });
    world.answerType(JOB, 'deleteServer');
    const discards = world
      .rowsOf(JOB)
      .flatMap((row) => row.effects.filter(({ type }) => type === 'discardEvidence'));
    expect(discards).toMatchObject([{ part: 'runs' }]);
    world.answerType(JOB, 'discardEvidence');
    expect(world.at(JOB).state).toBe('done');
    expect(world.at(publicationOf(JOB)).state).toBe('backoff');
    world.run();
    expect(handedOver(world)).toEqual(['SUCCESS', 'published', URL]);
    orderly(world);
  });

  test('does not count as published because of the late answer of an earlier attempt', () => {
    const world = comeTo(Simulator.job(), JOB, 'publishing.collecting');
    world.fire(JOB); // collecting took too long
    world.fire(JOB); // and is tried again
    expect(world.at(JOB).state).toBe('publishing.collecting');
    const late = world.answer(JOB, 'collectEvidence:1');
    expect([late.outcome, late.state, late.effects]).toEqual(['moved', 'publishing.collecting', []]);
    const bad = world.fork();
    expect(world.answer(JOB, 'collectEvidence:2').state).toBe('publishing.uploading');
    bad.answer(JOB, 'collectEvidence:2', {
      type: 'evidence.collect-failed',
      failure: failure('collect evidence'),
    });
    expect(bad.at(JOB).state).toBe('publishing.backoff');
    orderly(world.run());
    orderly(bad.run());
  });
});

describe('a server that cannot be removed', () => {
  test('is retried up to the limit, then an alarm is raised and the verdict stays', () => {
    const world = Simulator.job();
    world.answers = unless('deleteServer', undeleted);
    world.run();
    expect(verdictOf(world)).toEqual(['SUCCESS', '']);
    const alarms = world
      .rowsOf(JOB)
      .flatMap((row) =>
        row.effects.flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm] : [])),
      );
    expect(alarms).toEqual([
      {
        kind: 'server-leaked',
        target: 'job job-1',
        message: 'servers of this job could not be removed in 3 attempts',
        hint: 'check the provider; the sweep keeps trying',
      },
    ]);
    expect(world.at(JOB).state).toBe('done');
    orderly(world);
  });

  test('does not count as removed because an earlier deletion succeeded', () => {
    const world = comeTo(Simulator.job(), JOB, 'cleanup.deleting');
    world.fire(JOB); // the first deletion took too long
    world.fire(JOB); // back-off
    expect(world.at(JOB).state).toBe('cleanup.awaitingEffects');
    world.fire(JOB); // and it does not answer either
    expect(world.inFlight(JOB).map((effect) => effect.key)).toEqual(['deleteServer:1', 'deleteServer:2']);
    expect(world.answer(JOB, 'deleteServer:1').state).toBe('cleanup.deleting');
    expect(world.answer(JOB, 'deleteServer:2').state).toBe('cleanup.discarding');
    expect(world.answer(JOB, 'discardEvidence:1').state).toBe('done');
    orderly(world);
  });

  test('between two attempts ends the setup', () => {
    const world = Simulator.job(jobSpec({ limits: { setupAttempts: 3 } }));
    world.answers = (effect, it) => {
      if (effect.type === 'fetchPatchset') {
        return { type: 'patchset.fetch-failed', failure: failure('fetch patchset') };
      }
      return effect.type === 'deleteServer' ? undeleted : answerWell(effect, it);
    };
    world.run();
    expect(verdictOf(world)).toEqual(['NODE_FAILURE', 'delete server: it broke']);
    orderly(world);
  });
});

describe('evidence that cannot be removed from this host', () => {
  test.each([
    ['fails', { type: 'evidence.discard-failed', failure: failure('discard evidence') }, 'it broke'],
    ['does not answer', null, 'discarding took longer than allowed'],
  ] as const)('%s: the job ends, and no server is reported as leaked', (_, answer, why) => {
    const world = Simulator.job();
    world.answers = unless('discardEvidence', answer);
    comeTo(world, JOB, 'cleanup.discarding');
    expect(world.at(JOB).context).toMatchObject({ slot: false, server: null });
    world.run();
    expect(world.at(JOB).state).toBe('done');
    expect(verdictOf(world)).toEqual(['SUCCESS', '']);
    const alarms = world.rowsOf(JOB).flatMap((row) => row.effects.filter((it) => it.type === 'raiseAlarm'));
    expect(alarms).toMatchObject([
      { alarm: { kind: 'evidence-leaked', message: expect.stringContaining(why) } },
    ]);
    orderly(world);
  });
});

describe('a bug', () => {
  const broken: AnyEvent = { type: 'machine.failed', event: 'stage.exited', message: 'undefined is not' };
  const crash: AnyEvent = { type: 'daemon.crashed', during: 'runStage', message: 'undefined is not' };

  test('sends the job to cleanup', () => {
    const world = comeTo(Simulator.job(), JOB, 'testing.running');
    expect(world.send(JOB, broken).state).toBe('cleanup.awaitingEffects');
    world.run();
    expect(world.at(JOB).state).toBe('done');
    expect(verdictOf(world)).toEqual(['NODE_FAILURE', 'internal error at stage.exited: undefined is not']);
    orderly(world);
  });

  test('in cleanup restarts it; a second one parks the job and raises an alarm', () => {
    const world = comeTo(Simulator.job(), JOB, 'cleanup.deleting');
    expect(world.send(JOB, broken).state).toBe('cleanup.awaitingEffects');
    const row = world.send(JOB, broken);
    expect(row.state).toBe('parked');
    expect(row.effects.at(-1)).toMatchObject({ type: 'raiseAlarm', alarm: { kind: 'job-parked' } });
    orderly(world.run());
  });

  test('that leaves no path to cleanup parks the job in any state, and raises an alarm', () => {
    const lost: AnyEvent = {
      type: 'machine.quarantine-failed',
      event: 'stage.exited',
      message: 'undefined is not',
    };
    const world = comeTo(Simulator.job(), JOB, 'testing.running');
    const row = world.send(JOB, lost);
    expect([row.state, row.effects.map((effect) => effect.type)]).toEqual([
      'parked',
      ['cancelEffect', 'sendEvent', 'raiseAlarm'],
    ]);
    expect(verdictOf(world)).toEqual(['ABORTED', 'internal error at stage.exited: undefined is not']);
    expect(world.at(JOB)).toMatchObject({ ended: true, context: { slot: false, verdict: 'ABORTED' } });
    expect(world.send(JOB, lost).effects).toEqual([]);
    orderly(world.run());
  });

  test('that kills the daemon changes nothing the first time, and parks the job the second', () => {
    const world = comeTo(Simulator.job(), JOB, 'testing.running');
    const first = world.send(JOB, crash);
    expect([first.outcome, first.state, first.effects]).toEqual(['moved', 'testing.running', []]);
    const second = world.send(JOB, crash);
    expect(second.state).toBe('parked');
    expect(second.effects.map((effect) => effect.type)).toEqual(['cancelEffect', 'sendEvent', 'raiseAlarm']);
    expect(world.at(JOB)).toMatchObject({ ended: true, context: { slot: false } });
    expect(verdictOf(world)).toEqual([
      'ABORTED',
      'the daemon crashed twice, last during runStage: undefined is not',
    ]);
    orderly(world.run());
  });
});

describe('a permanent failure', () => {
  test('is not retried in setup', () => {
    const world = comeTo(Simulator.job(), JOB, 'stacking.fetching');
    const hopeless = failure('fetch patchset', { retryable: false });
    world.answerType(JOB, 'fetchPatchset', { type: 'patchset.fetch-failed', failure: hopeless });
    expect(world.at(JOB).state).toBe('publishing.collecting');
    expect(verdictOf(world.run())).toContain('RETRY_LIMIT');
    orderly(world);
  });

  test('is not retried in collecting', () => {
    const world = comeTo(Simulator.job(), JOB, 'publishing.collecting');
    const hopeless = failure('collect evidence', { retryable: false });
    world.answerType(JOB, 'collectEvidence', { type: 'evidence.collect-failed', failure: hopeless });
    expect(verdictOf(world.run())).toContain('POST_FAILURE');
    orderly(world);
  });
});
