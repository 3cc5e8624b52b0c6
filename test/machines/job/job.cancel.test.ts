/**
 * Cancel and supersede, in every state of a job and while each effect is in flight: with any late answer the job ends,
 * leaves nothing behind, and reports to its review once.
 */
import { describe, expect, test } from 'vitest';
import { jobMachine } from '../../../src/machines/job/job.ts';
import type { KeyedEffect } from '../../../src/machines/protocol/effects.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { otherAnswers } from '../answers.ts';
import { accepted, failure, HOLD, JOB, server, TREE } from '../facts.ts';
import { ignored, invariantViolations } from '../invariants.ts';
import { type Answers, Simulator, succeed, succeedExcept } from '../simulator.ts';

const CANCELS: readonly AnyEvent[] = [
  { type: 'job.cancelled', reason: 'the change was abandoned' },
  { type: 'job.superseded', by: '912345,4' },
];

/** Simulations with one kind of failure each; together they reach every state. */
const scenarios: Readonly<Record<string, Answers>> = {
  well: succeed,
  'no server': succeedExcept('createServer', {
    type: 'server.create-failed',
    failure: failure('create server'),
  }),
  'no server, no deletion': (effect, simulator) =>
    effect.type === 'createServer'
      ? { type: 'server.create-failed', failure: failure('create server') }
      : effect.type === 'deleteServer'
        ? { type: 'server.delete-failed', failure: failure('delete server') }
        : succeed(effect, simulator),
  'silent server': succeedExcept('createServer', null),
  'silent fetch': succeedExcept('fetchPatchset', null),
  'silent stage': succeedExcept('runStage', null),
  'silent stages that do not stop': (effect, simulator) =>
    effect.type === 'runStage' || effect.type === 'stopStage' ? null : succeed(effect, simulator),
  'silent tests': (effect, simulator) =>
    effect.type === 'runStage' && effect.run.stage === 'testing' ? null : succeed(effect, simulator),
  'silent results': succeedExcept('readResults', null),
  'silent collection': succeedExcept('collectEvidence', null),
  'no publishing': succeedExcept('publishEvidence', {
    type: 'evidence.publish-failed',
    failure: failure('publish evidence'),
  }),
  'no deletion': succeedExcept('deleteServer', {
    type: 'server.delete-failed',
    failure: failure('delete server'),
  }),
  'silent deletion': succeedExcept('deleteServer', null),
  'evidence that stays': succeedExcept('discardEvidence', {
    type: 'evidence.discard-failed',
    failure: failure('discard evidence'),
  }),
  'silent disk': succeedExcept('discardEvidence', null),
  'alarms that are not settled': (effect, simulator) =>
    effect.type === 'deleteServer'
      ? { type: 'server.delete-failed', failure: failure('delete server') }
      : effect.type === 'raiseAlarm'
        ? null
        : succeed(effect, simulator),
};

/** In this simulation a hold wants the server, and does not answer. */
const SILENT_HOLD = 'silent hold';

interface Situation {
  readonly name: string;
  readonly simulator: Simulator;
}

/** Forks of the simulations, one for each state and set of effects in flight. */
const found = new Map<string, Situation>();
for (const [name, answers] of Object.entries({ ...scenarios, [SILENT_HOLD]: succeed })) {
  const simulator = new Simulator(answers);
  simulator.send(JOB, accepted());
  if (name === SILENT_HOLD) simulator.send(JOB, { type: 'job.hold-requested', hold: HOLD, always: true });
  do {
    const inFlight = simulator.inFlight(JOB).map((effect) => effect.key);
    const key = `${simulator.at(JOB).state} [${inFlight.join(' ')}]`;
    if (!found.has(key)) found.set(key, { name: `${name}: ${key}`, simulator: simulator.fork() });
  } while (advance(simulator));
}
/** Simulates the next event; a job that is being prepared gets its release from the review. */
function advance(simulator: Simulator): boolean {
  if (simulator.at(JOB).state === 'queued.preparing') {
    simulator.send(JOB, { type: 'job.ready', trees: [TREE] });
    return true;
  }
  return !simulator.at(JOB).ended && simulator.next();
}

const situations = [...found.values()];

describe('the situations', () => {
  test('cover every state of the machine', () => {
    const states = new Set(situations.map(({ simulator }) => simulator.at(JOB).state));
    expect([...states].sort()).toEqual(leaves(jobMachine().root).filter((state) => state !== 'parked'));
  });

  test('cover every effect in flight', () => {
    const types = new Set(
      situations.flatMap(({ simulator }) => simulator.inFlight(JOB).map((effect) => effect.type)),
    );
    expect([...types].sort()).toEqual([
      'collectEvidence',
      'createServer',
      'deleteServer',
      'discardEvidence',
      'fetchPatchset',
      'publishEvidence',
      'raiseAlarm',
      'readResults',
      'runStage',
      'stopStage',
    ]);
  });
});

describe.each(CANCELS)('$type', (cancel) => {
  test.each(situations)('$name', ({ simulator }) => {
    const fork = simulator.fork();
    fork.answers = succeed;
    const was = fork.at(JOB);
    const row = fork.send(JOB, cancel);
    expect(row.outcome).toBe('moved');
    if (!was.ended && was.context.verdictSent !== true) expect(row.state).toMatch(/^cleanup\./);
    for (const late of lateAnswers(fork)) ends(late);
  });
});

describe('a creation that answers after the cancel', () => {
  const created: AnyEvent = { type: 'server.active', server: server(), adopted: false };
  const [cancel] = CANCELS;

  function cancelled(): Simulator {
    const simulator = Simulator.job();
    simulator.answer(JOB, 'slot');
    if (cancel !== undefined) simulator.send(JOB, cancel);
    expect(simulator.at(JOB).state).toBe('cleanup.awaitingEffects');
    return simulator;
  }

  test.each([
    ['while it settles', 0],
    ['while a first deletion is under way', 1],
    ['after that deletion had to be tried again', 2],
  ])('%s: the server is deleted, by exactly one deletion', (_, timers) => {
    const simulator = cancelled();
    for (let fired = 0; fired < timers; fired += 1) simulator.fire(JOB);
    const from = simulator.rowsOf(JOB).length;
    simulator.answer(JOB, 'createServer:1', created);
    expect(simulator.servers.size).toBe(1);
    ends(simulator);
    const deletions = simulator
      .rowsOf(JOB)
      .slice(from)
      .flatMap((row) => row.effects.filter((effect) => effect.type === 'deleteServer'));
    expect(deletions).toHaveLength(1);
    expect(simulator.servers.size).toBe(0);
  });

  test('after a deletion that found nothing: the job waits for it', () => {
    const simulator = cancelled();
    simulator.fire(JOB);
    const row = simulator.answer(JOB, 'deleteServer:1');
    expect(row.state).toBe('cleanup.awaitingEffects');
    simulator.answer(JOB, 'createServer:1', created);
    ends(simulator);
    expect(simulator.servers.size).toBe(0);
  });

  test('while an alarm about a leftover server is raised: it is deleted as well', () => {
    const simulator = cancelled();
    simulator.answers = succeedExcept('createServer', null);
    while (simulator.at(JOB).state !== 'cleanup.raisingAlarm') simulator.next();
    simulator.answer(JOB, 'createServer:1', created);
    expect(simulator.at(JOB).state).toBe('cleanup.deleting');
    ends(simulator);
    expect(simulator.servers.size).toBe(0);
  });
});

test('a success that is cancelled before its evidence is readable is not reported as one', () => {
  const simulator = Simulator.job();
  while (simulator.at(JOB).state !== 'publishing.uploading') simulator.next();
  simulator.send(JOB, { type: 'job.cancelled', reason: 'by hand' });
  ends(simulator);
  expect(simulator.undelivered.map(({ event }) => event)).toMatchObject([
    { report: { verdict: 'ABORTED', reason: 'by hand' } },
  ]);
});

/** Forks in which each effect in flight gets each of its answers, and one in which the timer fires first. */
function lateAnswers(simulator: Simulator): readonly Simulator[] {
  const inFlight = simulator.inFlight(JOB);
  const answered = inFlight.flatMap((effect) =>
    [undefined, ...otherAnswers(effect)].map((event) => answering(simulator, effect, event)),
  );
  const later = simulator.fork();
  if (later.pendingEffects(JOB).some((effect) => effect.type === 'setTimer')) later.fire(JOB);
  return [simulator.fork(), ...answered, later];
}

function answering(simulator: Simulator, effect: KeyedEffect, event: AnyEvent | undefined): Simulator {
  const late = simulator.fork();
  late.answer(JOB, effect.key, event);
  return late;
}

function ends(simulator: Simulator): void {
  simulator.answers = succeed;
  simulator.run();
  expect(simulator.at(JOB).state).toBe('done');
  expect(simulator.inFlight(JOB)).toEqual([]);
  expect(invariantViolations(simulator)).toEqual([]);
  expect(ignored(simulator)).toEqual([]);
}

interface Node {
  readonly id: string;
  readonly states: Readonly<Record<string, Node>>;
}

/** Dotted names of the states without child states. */
function leaves(node: Node, path: readonly string[] = []): readonly string[] {
  const children = Object.entries(node.states);
  if (children.length === 0) return [path.join('.')];
  return children.flatMap(([name, child]) => leaves(child, [...path, name])).sort();
}
