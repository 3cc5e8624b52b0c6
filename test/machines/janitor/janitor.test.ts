/** janitor@1: when it has its back ends, and what it does when a run's end is uncertain. */
import { expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { versionOf } from '../../../src/machines/versions.ts';
import { CLEANING, cleaningRequested, failure, janitorSpec } from '../facts.ts';
import { ignored, invariantViolations } from '../invariants.ts';
import { type Answers, runUntil, Simulator, succeed } from '../simulator.ts';

function simulate(answers: Answers = succeed, spec = janitorSpec()): Simulator {
  const simulator = new Simulator(answers);
  simulator.send(CLEANING, cleaningRequested(spec));
  return simulator;
}

const settle = (event: AnyEvent, type: string): Answers => {
  return (effect, it) => (effect.type === type ? event : succeed(effect, it));
};
const stored = (simulator: Simulator) => simulator.at(CLEANING);
const slot = (simulator: Simulator) => versionOf(stored(simulator)).heldSlot(stored(simulator));
const status = (simulator: Simulator) => versionOf(stored(simulator)).cleaningStatus(stored(simulator));
const alarms = (simulator: Simulator) =>
  simulator
    .rowsOf(CLEANING)
    .flatMap(({ effects }) =>
      effects.flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm] : [])),
    );

test('has its back ends from the grant to its end, and clears an earlier alarm', () => {
  const simulator = simulate();
  expect([slot(simulator), status(simulator)?.phase]).toEqual([null, 'waiting']);
  runUntil(simulator, CLEANING, 'running');
  expect(slot(simulator)).toMatchObject({ name: 'array1', backends: ['array1'], isJanitor: true });
  simulator.run();
  expect([slot(simulator), status(simulator)?.outcome]).toEqual([null, 'succeeded']);
  expect(alarms(simulator)).toMatchObject([{ kind: 'janitor-failed', target: 'array1', cleared: true }]);
});

test('gives its back ends back between two attempts, and raises an alarm after the last', () => {
  const failed = { type: 'janitor.exited', end: { how: 'exited', code: 3 }, lastLine: 'no route' } as const;
  const simulator = simulate(settle(failed, 'runJanitor'));
  runUntil(simulator, CLEANING, 'backoff');
  expect([slot(simulator), status(simulator)?.phase]).toEqual([null, 'waiting']);
  simulator.run();
  expect(status(simulator)).toMatchObject({
    outcome: 'failed',
    attempt: 2,
    reason: 'it exited with 3: no route',
  });
  expect(alarms(simulator).map(({ message }) => message)).toEqual([
    'the janitor did not clean in 2 attempts: it exited with 3: no route',
  ]);
  expect(invariantViolations(simulator)).toEqual([]);
});

test.each<[string, AnyEvent]>([
  ['was lost', { type: 'janitor.lost', why: 'the runner was killed' }],
  ['may have been started', { type: 'janitor.start-failed', failure: failure('run janitor') }],
])('keeps its back ends until a run that %s is stopped', (_, event) => {
  const simulator = simulate(settle(event, 'runJanitor'), janitorSpec({ attempts: 1 }));
  runUntil(simulator, CLEANING, 'stopping.requested');
  expect([slot(simulator)?.isJanitor, status(simulator)?.phase]).toEqual([true, 'stopping']);
  simulator.run();
  expect([slot(simulator), status(simulator)?.outcome]).toEqual([null, 'failed']);
  expect(ignored(simulator)).toEqual([]);
});

test('says so if its processes cannot be ended', () => {
  const answers: Answers = (effect, it) => {
    if (effect.type === 'stopJanitor')
      return { type: 'janitor.stop-failed', failure: failure('stop janitor') };
    return effect.type === 'runJanitor' ? null : succeed(effect, it);
  };
  const simulator = simulate(answers).run();
  expect(status(simulator)).toMatchObject({
    outcome: 'failed',
    reason: 'it gave no answer in time; its processes could not be ended in 3 attempts',
  });
});

test('does not run if its back ends are never free', () => {
  const simulator = simulate((effect, it) =>
    effect.type === 'acquireBackends' ? null : succeed(effect, it),
  );
  simulator.run();
  expect(status(simulator)).toMatchObject({ outcome: 'not-run', attempt: 0 });
  expect(alarms(simulator)).toHaveLength(1);
});
