/**
 * Cancel and supersede, from every state that a job can be in and while each effect is in flight: whatever the late
 * answers are, the job ends, nothing of it is left, and its review hears of it once.
 */
import { describe, expect, test } from 'vitest';
import { jobMachine } from '../../../src/machines/job/job.ts';
import type { KeyedEffect } from '../../../src/machines/protocol/effects.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { otherAnswers } from '../answers.ts';
import { accepted, failure, JOB, server, TREE } from '../facts.ts';
import { breaches, ignored } from '../invariants.ts';
import { type Answers, answerWell, Simulator, unless } from '../simulator.ts';

const CANCELS: readonly AnyEvent[] = [
  { type: 'job.cancelled', reason: 'the change was abandoned' },
  { type: 'job.superseded', by: '912345,4' },
];

/** Worlds that go wrong in one way each: together they come through every state. */
const worlds: Readonly<Record<string, Answers>> = {
  well: answerWell,
  'no server': unless('createServer', { type: 'server.create-failed', failure: failure('create server') }),
  'no server, no deletion': (effect, world) =>
    effect.type === 'createServer'
      ? { type: 'server.create-failed', failure: failure('create server') }
      : effect.type === 'deleteServer'
        ? { type: 'server.delete-failed', failure: failure('delete server') }
        : answerWell(effect, world),
  'silent server': unless('createServer', null),
  'silent fetch': unless('fetchPatchset', null),
  'silent stage': unless('runStage', null),
  'silent stages that do not stop': (effect, world) =>
    effect.type === 'runStage' || effect.type === 'stopStage' ? null : answerWell(effect, world),
  'silent tests': (effect, world) =>
    effect.type === 'runStage' && effect.run.stage === 'testing' ? null : answerWell(effect, world),
  'silent results': unless('readResults', null),
  'silent collection': unless('collectEvidence', null),
  'no publishing': unless('publishEvidence', {
    type: 'evidence.publish-failed',
    failure: failure('publish evidence'),
  }),
  'no deletion': unless('deleteServer', { type: 'server.delete-failed', failure: failure('delete server') }),
  'silent deletion': unless('deleteServer', null),
  'evidence that stays': unless('discardEvidence', {
    type: 'evidence.discard-failed',
    failure: failure('discard evidence'),
  }),
  'silent disk': unless('discardEvidence', null),
  'nobody listens to alarms': (effect, world) =>
    effect.type === 'deleteServer'
      ? { type: 'server.delete-failed', failure: failure('delete server') }
      : effect.type === 'raiseAlarm'
        ? null
        : answerWell(effect, world),
};

interface Situation {
  readonly name: string;
  readonly world: Simulator;
}

/** Each moment of each world, once for each state and set of effects in flight. */
const found = new Map<string, Situation>();
for (const [name, answers] of Object.entries(worlds)) {
  const world = new Simulator(answers);
  world.send(JOB, accepted());
  do {
    const flying = world.inFlight(JOB).map((effect) => effect.key);
    const key = `${world.at(JOB).state} [${flying.join(' ')}]`;
    if (!found.has(key)) found.set(key, { name: `${name}: ${key}`, world: world.fork() });
  } while (advance(world));
}
/** The next thing that happens; a job at its very beginning waits for its review. */
function advance(world: Simulator): boolean {
  if (world.at(JOB).state === 'queued.preparing') {
    world.send(JOB, { type: 'job.ready', trees: [TREE] });
    return true;
  }
  return !world.at(JOB).ended && world.next();
}

const situations = [...found.values()];

describe('the situations', () => {
  test('are every state of the machine', () => {
    const states = new Set(situations.map(({ world }) => world.at(JOB).state));
    expect([...states].sort()).toEqual(leaves(jobMachine.root).filter((state) => state !== 'parked'));
  });

  test('have every effect in flight', () => {
    const types = new Set(
      situations.flatMap(({ world }) => world.inFlight(JOB).map((effect) => effect.type)),
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
  test.each(situations)('$name', ({ world }) => {
    const here = world.fork();
    here.answers = answerWell;
    const was = here.at(JOB);
    const row = here.send(JOB, cancel);
    expect(row.outcome).toBe('moved');
    if (!was.ended && was.context.verdictSent !== true) expect(row.state).toMatch(/^cleanup\./);
    for (const late of lateAnswers(here)) ends(late);
  });
});

describe('a creation that answers after the cancel', () => {
  const created: AnyEvent = { type: 'server.active', server: server(), adopted: false };
  const [cancel] = CANCELS;

  function cancelled(): Simulator {
    const world = Simulator.job();
    world.answer(JOB, 'slot');
    if (cancel !== undefined) world.send(JOB, cancel);
    expect(world.at(JOB).state).toBe('cleanup.awaitingEffects');
    return world;
  }

  test.each([
    ['while it settles', 0],
    ['while a first deletion is under way', 1],
    ['after that deletion had to be tried again', 2],
  ])('%s: the server is deleted, by exactly one deletion', (_, timers) => {
    const world = cancelled();
    for (let fired = 0; fired < timers; fired += 1) world.fire(JOB);
    const from = world.rowsOf(JOB).length;
    world.answer(JOB, 'createServer:1', created);
    expect(world.servers.size).toBe(1);
    ends(world);
    const deletions = world
      .rowsOf(JOB)
      .slice(from)
      .flatMap((row) => row.effects.filter((effect) => effect.type === 'deleteServer'));
    expect(deletions).toHaveLength(1);
    expect(world.servers.size).toBe(0);
  });

  test('after a deletion that found nothing: the job waits for it', () => {
    const world = cancelled();
    world.fire(JOB);
    const row = world.answer(JOB, 'deleteServer:1');
    expect(row.state).toBe('cleanup.awaitingEffects');
    world.answer(JOB, 'createServer:1', created);
    ends(world);
    expect(world.servers.size).toBe(0);
  });

  test('while an alarm about a leftover server is raised: it is deleted as well', () => {
    const world = cancelled();
    world.answers = unless('createServer', null);
    while (world.at(JOB).state !== 'cleanup.raisingAlarm') world.next();
    world.answer(JOB, 'createServer:1', created);
    expect(world.at(JOB).state).toBe('cleanup.deleting');
    ends(world);
    expect(world.servers.size).toBe(0);
  });
});

test('a success that is cancelled before its evidence is readable is not reported as one', () => {
  const world = Simulator.job();
  while (world.at(JOB).state !== 'publishing.uploading') world.next();
  world.send(JOB, { type: 'job.cancelled', reason: 'by hand' });
  ends(world);
  expect(world.undelivered.map(({ event }) => event)).toMatchObject([
    { report: { verdict: 'ABORTED', reason: 'by hand' } },
  ]);
});

/** The same world with each answer to each effect in flight given at once, and one in which the timer comes first. */
function lateAnswers(world: Simulator): readonly Simulator[] {
  const flying = world.inFlight(JOB);
  const answered = flying.flatMap((effect) =>
    [undefined, ...otherAnswers(effect)].map((event) => answering(world, effect, event)),
  );
  const later = world.fork();
  if (later.owed(JOB).some((effect) => effect.type === 'setTimer')) later.fire(JOB);
  return [world.fork(), ...answered, later];
}

function answering(world: Simulator, effect: KeyedEffect, event: AnyEvent | undefined): Simulator {
  const late = world.fork();
  late.answer(JOB, effect.key, event);
  return late;
}

function ends(world: Simulator): void {
  world.answers = answerWell;
  world.run();
  expect(world.at(JOB).state).toBe('done');
  expect(world.inFlight(JOB)).toEqual([]);
  expect(breaches(world)).toEqual([]);
  expect(ignored(world)).toEqual([]);
}

interface Node {
  readonly id: string;
  readonly states: Readonly<Record<string, Node>>;
}

/** Dotted names of the states without states of their own. */
function leaves(node: Node, path: readonly string[] = []): readonly string[] {
  const children = Object.entries(node.states);
  if (children.length === 0) return [path.join('.')];
  return children.flatMap(([name, child]) => leaves(child, [...path, name])).sort();
}
