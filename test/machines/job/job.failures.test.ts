/**
 * job@1 after failures past setup: tests that fail or are lost, evidence that cannot be published, servers that cannot
 * be removed, an internal error, and a job that crashes the daemon.
 */
import { describe, expect, test } from 'vitest';
import { publicationOf } from '../../../src/machines/job/publication.ts';
import type { Stage, StageEnd } from '../../../src/machines/model/domain.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { expectConsistent } from '../expect-consistent.ts';
import { FAILED, failure, JOB, jobSpec, REVIEW } from '../facts.ts';
import { runUntil, Simulator, succeed, succeedExcept } from '../simulator.ts';

const undeleted: AnyEvent = { type: 'server.delete-failed', failure: failure('delete server') };

function verdictOf(simulator: Simulator): unknown {
  const [sent, ...more] = simulator.undelivered.filter(({ event }) => event.type === 'job.reported');
  expect(more).toEqual([]);
  const event = sent?.event;
  return event?.type === 'job.reported' ? [event.report.verdict, event.report.reason] : undefined;
}

describe('a test that did not pass', () => {
  test('with failures in its results is FAILURE, and names them', () => {
    const simulator = Simulator.job();
    simulator.answers = (effect, it) => {
      if (effect.type === 'readResults') return { type: 'results.read', results: FAILED };
      if (effect.type === 'runStage' && effect.run.stage === 'testing') {
        return { type: 'stage.exited', stage: 'testing', end: { how: 'exited', code: 1 } };
      }
      return succeed(effect, it);
    };
    expect(verdictOf(simulator.run())).toEqual(['FAILURE', '1 of 3 tests failed: test_volume_create']);
    expectConsistent(simulator);
  });

  test.each<[StageEnd, string, string]>([
    [{ how: 'killed', signal: 9 }, 'NODE_FAILURE', 'testing was killed by signal 9'],
    [{ how: 'timedOut' }, 'TIMED_OUT', 'testing exceeded its timeout'],
    [{ how: 'exited', code: 127 }, 'NODE_FAILURE', 'testing: the command was not found (exit 127)'],
  ])('%j is %s, and is not retried', (end, verdict, reason) => {
    const simulator = runUntil(Simulator.job(), JOB, 'testing.running');
    simulator.answerType(JOB, 'runStage', { type: 'stage.exited', stage: 'testing', end });
    expect(verdictOf(simulator.run())).toEqual([verdict, reason]);
    expectConsistent(simulator);
  });

  test.each([
    ['stacking', 'RETRY_LIMIT', 'E: no such package'],
    ['testing', 'FAILURE', 'E: no such package'],
    ['testing', 'SUCCESS', null],
  ] as const)('reports the last output of %s, if it explains %s', (stage, verdict, lastLine) => {
    const simulator = Simulator.job(jobSpec({ results: null, exitCodeIsResult: true }));
    simulator.answers = (effect, it) => {
      if (effect.type !== 'runStage' || effect.run.stage !== stage || verdict === 'SUCCESS')
        return succeed(effect, it);
      const end = { how: 'exited', code: 1 } as const;
      return { type: 'stage.exited', stage, end, lastLine: 'E: no such\u202e package' };
    };
    simulator.run();
    const sent = simulator.log.flatMap((row) => row.effects).find((effect) => effect.type === 'sendEvent');
    expect(sent).toMatchObject({ event: { report: { verdict, lastLine } } });
    expectConsistent(simulator);
  });

  test('for an infrastructure reason raises an alarm with the fix', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'testing.running');
    const end = { how: 'exited', code: 127 } as const;
    simulator.answerType(JOB, 'runStage', { type: 'stage.exited', stage: 'testing', end });
    simulator.run();
    const alarms = simulator.log
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
    ['a missing setup command', 'stacking', exited('stacking', 127), ['command-missing']],
    ['a setup command that is not executable', 'stacking', exited('stacking', 126), ['command-missing']],
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
    const simulator = Simulator.job();
    simulator.answers = (effect, it) =>
      effect.type === 'runStage' && effect.run.stage === stage ? event : succeed(effect, it);
    simulator.run();
    const raised = simulator.log
      .flatMap((row) => row.effects)
      .flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm.kind] : []));
    expect(raised).toEqual(kinds);
    expectConsistent(simulator);
  });

  test.each<AnyEvent>([
    { type: 'stage.lost', stage: 'testing', why: 'no lock, no rc' },
    { type: 'stage.start-failed', stage: 'testing', failure: failure('run stage') },
  ])('%j is a failure of the node', (event) => {
    const simulator = runUntil(Simulator.job(), JOB, 'testing.running');
    simulator.answerType(JOB, 'runStage', event);
    expect(verdictOf(simulator.run())).toContain('NODE_FAILURE');
    expectConsistent(simulator);
  });

  test.each([
    ['unreadable', (simulator: Simulator) => simulator.answerType(JOB, 'readResults', unreadable)],
    ['read too slowly', (simulator: Simulator) => simulator.fire(JOB)],
  ])('with results that are %s is never FAILURE', (_, happens) => {
    const simulator = runUntil(Simulator.job(), JOB, 'testing.running');
    simulator.answerType(JOB, 'runStage', {
      type: 'stage.exited',
      stage: 'testing',
      end: { how: 'exited', code: 1 },
    });
    happens(simulator);
    expect(verdictOf(simulator.run())).toContain('POST_FAILURE');
    expectConsistent(simulator);
  });
});

const unreadable: AnyEvent = { type: 'results.read-failed', why: 'results.tap is missing' };

describe('evidence that cannot be collected', () => {
  test('is retried up to the limit, then a success is POST_FAILURE', () => {
    const simulator = Simulator.job();
    const event = { type: 'evidence.collect-failed', failure: failure('collect evidence') } as const;
    simulator.answers = succeedExcept('collectEvidence', event);
    simulator.run();
    expect(verdictOf(simulator)).toEqual(['POST_FAILURE', `${event.failure.operation}: it broke`]);
    const asked = simulator.rowsOf(JOB).flatMap((row) => row.effects.map((effect) => effect.type));
    expect(asked.filter((name) => name === 'collectEvidence')).toHaveLength(3);
    expectConsistent(simulator);
  });
});

describe('evidence that cannot be published', () => {
  const unpublished = (retryable = true): AnyEvent => ({
    type: 'evidence.publish-failed',
    failure: failure('publish evidence', { retryable }),
  });
  const handedOver = (simulator: Simulator) => {
    const { verdict, evidence, url } = simulator.at(JOB).context;
    return [verdict, evidence, url];
  };
  const URL = `https://logs.example.org/${JOB}/`;

  test.each([true, false])('is reported at once, and the verdict stays (retryable: %s)', (retryable) => {
    const simulator = runUntil(Simulator.job(), JOB, 'publishing.uploading');
    const row = simulator.answerType(JOB, 'publishEvidence', unpublished(retryable));
    expect(row.state).toBe('reporting');
    expect(handedOver(simulator)).toEqual(['SUCCESS', 'pending', URL]);
    expect(simulator.undelivered.at(-1)).toMatchObject({
      to: REVIEW,
      event: { report: { verdict: 'SUCCESS', evidence: 'pending', url: URL } },
    });
    expect(simulator.at(publicationOf(JOB))).toMatchObject({
      machine: 'publication@1',
      state: 'backoff',
      context: { bytes: 4_096, url: URL },
    });
    expectConsistent(simulator.run());
  });

  test('is also reported when publishing times out', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'publishing.uploading');
    simulator.fire(JOB);
    expect(handedOver(simulator)).toEqual(['SUCCESS', 'pending', URL]);
  });

  test('keeps no server: the job discards only the files of its runs', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'publishing.uploading');
    simulator.answerType(JOB, 'publishEvidence', unpublished());
    simulator.send(JOB, { type: 'verdict.accepted' });
    simulator.answerType(JOB, 'deleteServer');
    const discards = simulator
      .rowsOf(JOB)
      .flatMap((row) => row.effects.filter(({ type }) => type === 'discardEvidence'));
    expect(discards).toMatchObject([{ part: 'runs' }]);
    simulator.answerType(JOB, 'discardEvidence');
    expect(simulator.at(JOB).state).toBe('done');
    expect(simulator.at(publicationOf(JOB)).state).toBe('backoff');
    simulator.run();
    expect(handedOver(simulator)).toEqual(['SUCCESS', 'published', URL]);
    expectConsistent(simulator);
  });

  test('does not count as published because of the late answer of an earlier attempt', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'publishing.collecting');
    simulator.fire(JOB); // collecting took too long
    simulator.fire(JOB); // and is retried
    expect(simulator.at(JOB).state).toBe('publishing.collecting');
    const late = simulator.answer(JOB, 'collectEvidence:1');
    expect([late.outcome, late.state, late.effects]).toEqual(['moved', 'publishing.collecting', []]);
    const bad = simulator.fork();
    expect(simulator.answer(JOB, 'collectEvidence:2').state).toBe('publishing.uploading');
    bad.answer(JOB, 'collectEvidence:2', {
      type: 'evidence.collect-failed',
      failure: failure('collect evidence'),
    });
    expect(bad.at(JOB).state).toBe('publishing.backoff');
    expectConsistent(simulator.run());
    expectConsistent(bad.run());
  });
});

describe('a server that cannot be removed', () => {
  test('is retried up to the limit, then an alarm is raised and the verdict stays', () => {
    const simulator = Simulator.job();
    simulator.answers = succeedExcept('deleteServer', undeleted);
    simulator.run();
    expect(verdictOf(simulator)).toEqual(['SUCCESS', '']);
    const alarms = simulator
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
    expect(simulator.at(JOB).state).toBe('done');
    expectConsistent(simulator);
  });

  test('does not count as removed because an earlier deletion succeeded', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'cleanup.deleting');
    simulator.fire(JOB); // the first deletion took too long
    simulator.fire(JOB); // backoff
    expect(simulator.at(JOB).state).toBe('cleanup.awaitingEffects');
    simulator.fire(JOB); // and it does not answer either
    expect(simulator.inFlight(JOB).map((effect) => effect.key)).toEqual(['deleteServer:1', 'deleteServer:2']);
    expect(simulator.answer(JOB, 'deleteServer:1').state).toBe('cleanup.deleting');
    expect(simulator.answer(JOB, 'deleteServer:2').state).toBe('cleanup.discarding');
    expect(simulator.answer(JOB, 'discardEvidence:1').state).toBe('done');
    expectConsistent(simulator);
  });

  test('between two attempts ends the setup', () => {
    const simulator = Simulator.job(jobSpec({ limits: { setupAttempts: 3 } }));
    simulator.answers = (effect, it) => {
      if (effect.type === 'fetchPatchset') {
        return { type: 'patchset.fetch-failed', failure: failure('fetch patchset') };
      }
      return effect.type === 'deleteServer' ? undeleted : succeed(effect, it);
    };
    simulator.run();
    expect(verdictOf(simulator)).toEqual(['NODE_FAILURE', 'delete server: it broke']);
    expectConsistent(simulator);
  });
});

describe('evidence that cannot be removed from this host', () => {
  test.each([
    ['fails', { type: 'evidence.discard-failed', failure: failure('discard evidence') }, 'it broke'],
    ['does not answer', null, 'discarding took longer than allowed'],
  ] as const)('%s: the job ends, and no server is reported as leaked', (_, answer, why) => {
    const simulator = Simulator.job();
    simulator.answers = succeedExcept('discardEvidence', answer);
    runUntil(simulator, JOB, 'cleanup.discarding');
    expect(simulator.at(JOB).context).toMatchObject({ slot: false, server: null });
    simulator.run();
    expect(simulator.at(JOB).state).toBe('done');
    expect(verdictOf(simulator)).toEqual(['SUCCESS', '']);
    const alarms = simulator
      .rowsOf(JOB)
      .flatMap((row) => row.effects.filter((it) => it.type === 'raiseAlarm'));
    expect(alarms).toMatchObject([
      { alarm: { kind: 'evidence-leaked', message: expect.stringContaining(why) } },
    ]);
    expectConsistent(simulator);
  });
});

describe('a bug', () => {
  const broken: AnyEvent = { type: 'machine.failed', event: 'stage.exited', message: 'undefined is not' };
  const crash: AnyEvent = { type: 'daemon.crashed', during: 'runStage', message: 'undefined is not' };

  test('sends the job to cleanup', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'testing.running');
    expect(simulator.send(JOB, broken).state).toBe('cleanup.awaitingEffects');
    simulator.run();
    expect(simulator.at(JOB).state).toBe('done');
    expect(verdictOf(simulator)).toEqual([
      'NODE_FAILURE',
      'internal error at stage.exited: undefined is not',
    ]);
    expectConsistent(simulator);
  });

  test('in cleanup restarts it; a second one parks the job and raises an alarm', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'cleanup.deleting');
    expect(simulator.send(JOB, broken).state).toBe('cleanup.awaitingEffects');
    const row = simulator.send(JOB, broken);
    expect(row.state).toBe('parked');
    expect(row.effects.at(-1)).toMatchObject({ type: 'raiseAlarm', alarm: { kind: 'job-parked' } });
    expectConsistent(simulator.run());
  });

  test('that leaves no path to cleanup parks the job in any state, and raises an alarm', () => {
    const lost: AnyEvent = {
      type: 'machine.quarantine-failed',
      event: 'stage.exited',
      message: 'undefined is not',
    };
    const simulator = runUntil(Simulator.job(), JOB, 'testing.running');
    const row = simulator.send(JOB, lost);
    expect([row.state, row.effects.map((effect) => effect.type)]).toEqual([
      'parked',
      ['cancelEffect', 'sendEvent', 'raiseAlarm'],
    ]);
    expect(verdictOf(simulator)).toEqual(['ABORTED', 'internal error at stage.exited: undefined is not']);
    expect(simulator.at(JOB)).toMatchObject({ ended: true, context: { slot: false, verdict: 'ABORTED' } });
    expect(simulator.send(JOB, lost).effects).toEqual([]);
    expectConsistent(simulator.run());
  });

  test('that kills the daemon changes nothing the first time, and parks the job the second', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'testing.running');
    const first = simulator.send(JOB, crash);
    expect([first.outcome, first.state, first.effects]).toEqual(['moved', 'testing.running', []]);
    const second = simulator.send(JOB, crash);
    expect(second.state).toBe('parked');
    expect(second.effects.map((effect) => effect.type)).toEqual(['cancelEffect', 'sendEvent', 'raiseAlarm']);
    expect(simulator.at(JOB)).toMatchObject({ ended: true, context: { slot: false } });
    expect(verdictOf(simulator)).toEqual([
      'ABORTED',
      'the daemon crashed twice, last during runStage: undefined is not',
    ]);
    expectConsistent(simulator.run());
  });
});

describe('a permanent failure', () => {
  test('is not retried in setup', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'stacking.fetching');
    const hopeless = failure('fetch patchset', { retryable: false });
    simulator.answerType(JOB, 'fetchPatchset', { type: 'patchset.fetch-failed', failure: hopeless });
    expect(simulator.at(JOB).state).toBe('publishing.collecting');
    expect(verdictOf(simulator.run())).toContain('RETRY_LIMIT');
    expectConsistent(simulator);
  });

  test('is not retried in collecting', () => {
    const simulator = runUntil(Simulator.job(), JOB, 'publishing.collecting');
    const hopeless = failure('collect evidence', { retryable: false });
    simulator.answerType(JOB, 'collectEvidence', { type: 'evidence.collect-failed', failure: hopeless });
    expect(verdictOf(simulator.run())).toContain('POST_FAILURE');
    expectConsistent(simulator);
  });
});
