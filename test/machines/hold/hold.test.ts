/** hold@1, and how a job hands its server over: offers, answers that never come, and releases at awkward moments. */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { versionOf } from '../../../src/machines/versions.ts';
import { FAILED, failure, HOLD, holdRequested, JOB, LOGIN, PATCHSET } from '../facts.ts';
import { ignored, invariantViolations } from '../invariants.ts';
import { runUntil, Simulator, succeed } from '../simulator.ts';

const HOUR_MS = 3_600_000;
const RELEASED: AnyEvent = { type: 'hold.released', by: 'bob', why: '' };

/** A job whose tests fail, and a hold that wants its server. */
function simulate(): Simulator {
  const simulator = Simulator.job();
  simulator.answers = (effect, it) =>
    effect.type === 'readResults' ? { type: 'results.read', results: FAILED } : succeed(effect, it);
  simulator.send(HOLD, holdRequested());
  want(simulator, HOLD);
  return simulator;
}

function want(simulator: Simulator, hold: string, always = false): void {
  simulator.send(JOB, { type: 'job.hold-requested', hold, always });
}

function expectSound(simulator: Simulator): void {
  expect(ignored(simulator)).toEqual([]);
  expect(invariantViolations(simulator)).toEqual([]);
}

const types = (simulator: Simulator, history: string) => simulator.rowsOf(history).map(({ type }) => type);
const status = (simulator: Simulator, hold = HOLD) => {
  const stored = simulator.at(hold);
  return versionOf(stored).holdStatus(stored);
};
const slot = (simulator: Simulator, history: string) => {
  const stored = simulator.at(history);
  return versionOf(stored).heldSlot(stored);
};

test('the slot passes from the job to the hold in the row that hands the server over', () => {
  const simulator = runUntil(simulate(), JOB, 'cleanup.discarding');
  expect(slot(simulator, JOB)).toBeNull();
  expect(slot(simulator, HOLD)).toEqual({
    provider: 'local',
    name: 'acme-dsvm',
    project: PATCHSET.project,
    isHeld: true,
  });
  expect(types(simulator, JOB)).not.toContain('server.deleted');
  simulator.send(HOLD, RELEASED);
  simulator.run();
  expect(slot(simulator, HOLD)).toBeNull();
  expectSound(simulator);
});

test('its time counts from the handover, not from when it is open', () => {
  const simulator = runUntil(simulate(), HOLD, 'opening.requested');
  const since = status(simulator)?.held?.since ?? 0;
  simulator.now += 600_000;
  simulator.answerType(HOLD, 'openServer');
  expect(status(simulator)).toMatchObject({ phase: 'held', until: since + 12 * HOUR_MS });
  expect(simulator.pendingEffects(HOLD)).toMatchObject([
    { key: 'expiry:holding', dueAt: since + 12 * HOUR_MS, delayMs: 12 * HOUR_MS - 600_000 },
  ]);
});

test('a server that cannot be opened is held nevertheless, and says why', () => {
  const simulator = runUntil(simulate(), HOLD, 'opening.requested');
  for (let attempt = 1; attempt < 4; attempt += 1) {
    simulator.answerType(HOLD, 'openServer', { type: 'server.open-failed', failure: failure('open server') });
    simulator.fire(HOLD);
  }
  simulator.answerType(HOLD, 'openServer', { type: 'server.open-failed', failure: failure('open server') });
  expect(status(simulator)).toMatchObject({ phase: 'held', held: { login: null } });
  expect(status(simulator)?.held?.problem).toMatch(/^open server: /);
});

test('a release while it is being opened deletes it, and the late answer changes nothing', () => {
  const simulator = runUntil(simulate(), HOLD, 'opening.requested');
  simulator.send(HOLD, RELEASED);
  expect(status(simulator)).toMatchObject({ phase: 'releasing', ending: 'released by bob' });
  simulator.answer(HOLD, 'openServer:1', { type: 'server.opened', login: LOGIN });
  expect(simulator.at(HOLD).state).toBe('releasing.deleting');
  simulator.run();
  expect(simulator.at(HOLD).state).toBe('done');
  expectSound(simulator);
});

describe('a job', () => {
  test('offers its server to one hold after the other, first to the one for this job alone', () => {
    const simulator = simulate();
    for (const hold of ['hold-2', 'hold-3']) {
      simulator.send(hold, holdRequested(hold === 'hold-2' ? { job: JOB } : undefined, hold));
      want(simulator, hold, hold === 'hold-2');
      simulator.send(hold, RELEASED);
    }
    simulator.run();
    expect(types(simulator, JOB).filter((type) => type.startsWith('server.'))).toEqual([
      'server.active',
      'server.offer-refused',
      'server.offer-refused',
      'server.handed-over',
    ]);
    expectSound(simulator);
  });

  test('deletes its server when the hold never answers', () => {
    const simulator = Simulator.job();
    want(simulator, 'unknown-hold', true);
    simulator.run();
    expect(simulator.undelivered.map(({ event }) => event.type)).toContain('server.offered');
    expect(types(simulator, JOB)).toContain('server.deleted');
    expect(simulator.at(JOB).state).toBe('done');
    expectSound(simulator);
  });

  test('that repeats its offer after an internal error gets the same answer', () => {
    const simulator = runUntil(simulate(), JOB, 'cleanup.discarding');
    const [offer] = simulator.rowsOf(HOLD).filter(({ type }) => type === 'server.offered');
    simulator.send(HOLD, { type: 'server.offered', ...offer?.data } as unknown as AnyEvent);
    expect(simulator.rowsOf(HOLD).at(-1)?.effects).toMatchObject([
      { type: 'sendEvent', to: JOB, event: { type: 'server.handed-over', hold: HOLD } },
    ]);
    expect(simulator.at(HOLD).state).toBe('opening.requested');
  });

  test('that succeeds keeps nothing for a hold of its change', () => {
    const simulator = simulate();
    simulator.answers = succeed;
    runUntil(simulator, JOB, 'done');
    expect(status(simulator)).toMatchObject({ phase: 'waiting', held: null });
    expect(types(simulator, HOLD)).toContain('hold.declined');
    expectSound(simulator);
  });
});
