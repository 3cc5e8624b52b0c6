/** The deadlines of job@1: the work that each abandons, and that no late answer is lost. */
import { describe, expect, test } from 'vitest';
import type { Failure } from '../../../src/machines/model/domain.ts';
import type { Effect } from '../../../src/machines/protocol/effects.ts';
import { failure, JOB, START, server } from '../facts.ts';
import { runUntil, Simulator } from '../simulator.ts';

const owner = (attempt = 1) => ({ deployment: 'lab-1', job: JOB, attempt });
const timer = (key: string, delayMs: number, at: number = START): Effect => ({
  type: 'setTimer',
  key,
  dueAt: at + delayMs,
  delayMs,
});
const withdrawn = (key: string): Effect => ({ type: 'cancelEffect', key });
/** A job that has reached `state` without a failure. */
const jobIn = (state: string) => runUntil(Simulator.job(), JOB, state);

describe('deadlines', () => {
  test('of the queue ends a job that never had a server', () => {
    const simulator = Simulator.job();
    const row = simulator.fire(JOB);
    expect(row.state).toBe('reporting');
    expect(row.effects[0]).toEqual(withdrawn('slot'));
    expect(simulator.at(JOB).context).toMatchObject({
      verdict: 'NODE_FAILURE',
      reason: 'no slot became free in time',
    });
  });

  test('of booting waits for the server before it deletes', () => {
    const simulator = jobIn('booting.creating');
    const row = simulator.fire(JOB);
    expect(row.state).toBe('booting.cleaningUp.awaitingEffects');
    // The time limit of the creation itself, not that of a deletion.
    expect(row.effects).toEqual([timer('deadline:awaitingEffects:1:0', 900_000, simulator.now)]);
    expect(simulator.answerType(JOB, 'createServer').state).toBe('booting.cleaningUp.deleting');
  });

  test.each(['stacking', 'testing'] as const)('of %s stops the command and waits for its end', (stage) => {
    const simulator = jobIn(`${stage}.running`);
    const row = simulator.fire(JOB);
    expect(row.state).toBe(`${stage}.stopping`);
    expect(row.effects).toEqual([
      {
        type: 'stopStage',
        key: `stopStage:${stage}:1`,
        run: { server: server(), owner: owner(), stage },
        timeoutMs: 20_000,
      },
      timer(`deadline:${stage}-stop:1`, 40_000, simulator.now),
    ]);
  });

  const failedStop = (change: Partial<Failure> = {}) =>
    ({ type: 'stage.stop-failed', stage: 'testing', failure: failure('stop stage', change) }) as const;

  test.each([
    ['its end', 'runStage', { type: 'stage.exited', stage: 'testing', end: { how: 'stopped' } }],
    ['the stop, but not the end', 'stopStage', { type: 'stage.stopped', stage: 'testing' }],
    ['a stop that failed on the server', 'stopStage', failedStop()],
  ] as const)('of testing is TIMED_OUT when the server answers: %s', (_, type, answer) => {
    const simulator = jobIn('testing.running');
    simulator.fire(JOB);
    simulator.answerType(JOB, type, answer);
    if (type === 'stopStage') simulator.fire(JOB);
    expect(simulator.at(JOB)).toMatchObject({
      state: 'publishing.collecting',
      context: { verdict: 'TIMED_OUT' },
    });
  });

  test('of testing is NODE_FAILURE when the server does not answer', () => {
    const silent = jobIn('testing.running');
    silent.fire(JOB);
    silent.fire(JOB);
    const reason = 'testing exceeded its timeout, and the server does not answer';
    expect(silent.at(JOB)).toMatchObject({
      state: 'publishing.collecting',
      context: { verdict: 'NODE_FAILURE', reason },
    });
    const away = jobIn('testing.running');
    away.fire(JOB);
    const message = 'the server has been unreachable since 2026-01-02T03:04:05Z';
    expect(away.answerType(JOB, 'stopStage', failedStop({ message, unreachable: true })).state).toBe(
      'testing.stopping',
    );
    away.fire(JOB);
    expect(away.at(JOB).context).toMatchObject({
      verdict: 'NODE_FAILURE',
      reason: `${reason}: ${message}`,
    });
  });

  test('of testing on a silent server quotes no output of an earlier setup', () => {
    const simulator = jobIn('stacking.running');
    simulator.answerType(JOB, 'runStage', {
      type: 'stage.exited',
      stage: 'stacking',
      end: { how: 'exited', code: 1 },
      lastLine: 'E: Unable to locate package foo',
    });
    runUntil(simulator, JOB, 'testing.running');
    simulator.fire(JOB);
    simulator.fire(JOB);
    expect(simulator.at(JOB)).toMatchObject({
      state: 'publishing.collecting',
      context: { attempt: 2, verdict: 'NODE_FAILURE', lastLine: null },
    });
  });

  test('of testing has no effect when a server that was away comes back with the end', () => {
    const simulator = jobIn('testing.running');
    simulator.fire(JOB);
    simulator.answerType(JOB, 'stopStage', failedStop({ unreachable: true }));
    expect(simulator.answerType(JOB, 'runStage').state).toBe('testing.readingResults');
  });

  test('of testing has no effect when the command had ended', () => {
    const simulator = jobIn('testing.running');
    simulator.fire(JOB);
    expect(simulator.answerType(JOB, 'runStage').state).toBe('testing.readingResults');
    const late = simulator.answerType(JOB, 'stopStage');
    expect([late.outcome, late.state]).toEqual(['moved', 'testing.readingResults']);
    expect(simulator.answerType(JOB, 'readResults').state).toBe('publishing.collecting');
    expect(simulator.at(JOB).context).toMatchObject({ verdict: 'SUCCESS' });
  });

  test('of reporting continues with cleanup', () => {
    expect(jobIn('reporting').fire(JOB).state).toBe('cleanup.deleting');
  });
});
