/**
 * The connection to Gerrit: catches up on events that may have been missed, until that succeeds; a lasting failure
 * raises an alarm.
 */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import {
  catchUpCompleted,
  catchUpFailed,
  connected,
  crashed,
  gapSuspected,
  listeningStream,
  lost,
  refused,
  STREAM,
  StreamSimulator,
  started,
} from '../stream-simulator.ts';

describe('a connection', () => {
  test('catches up before it counts as listening', () => {
    const simulator = new StreamSimulator();
    expect(simulator.state).toBe('down.connecting');
    simulator.receive(connected);
    expect(simulator.state).toBe('up.catchingUp');
    expect(simulator.catchUpEffect).toEqual({
      type: 'catchUp',
      key: 'catchUp:1',
      changes: null,
      timeoutMs: 300_000,
    });
    simulator.settle(catchUpCompleted({ found: 3 }));
    expect(simulator.context.caughtUp).toEqual({ at: simulator.now, since: 1_000, changes: 4, found: 3 });
    expect(simulator.completeSecondCatchUp().state).toBe('up.listening');
    expect(simulator.pendingEffects(STREAM)).toEqual([]);
    expect(simulator.alarms()).toEqual([]);
  });

  test('catches up again a little later, for events that Gerrit had not indexed yet', () => {
    const simulator = new StreamSimulator().receive(connected).settle(catchUpCompleted());
    expect(simulator.state).toBe('up.awaitingIndex');
    const before = simulator.now;
    simulator.fire(STREAM);
    expect(simulator.now - before).toBe(15_000);
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:2', changes: null });
    simulator.settle(catchUpFailed);
    simulator.fire(STREAM);
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.listening');
    expect(simulator.receive(gapSuspected(null)).settle(catchUpCompleted()).state).toBe('up.listening');
  });

  test('with a gap before the second catch-up catches up at once, and again later', () => {
    const simulator = new StreamSimulator()
      .receive(connected)
      .settle(catchUpCompleted())
      .receive(gapSuspected([7]));
    expect(simulator.catchUpEffect).toMatchObject({ changes: [7] });
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.awaitingIndex');
    expect(simulator.completeSecondCatchUp().state).toBe('up.listening');
  });

  test('that is lost and restored catches up again', () => {
    const simulator = listeningStream().receive(lost);
    expect(simulator.state).toBe('down.backoff');
    expect(simulator.context).toMatchObject({
      why: 'closed by the server',
      upSince: null,
      downSince: simulator.now,
    });
    simulator.receive(connected);
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:3', changes: null });
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.awaitingIndex');
  });

  test('that is lost during a catch-up cancels it, and its late result changes nothing', () => {
    const simulator = new StreamSimulator().receive(connected, lost);
    expect(simulator.catchUpEffect).toBeUndefined();
    const late = simulator.send(STREAM, catchUpCompleted(), { settles: 'catchUp:1' });
    expect([late.outcome, simulator.state]).toEqual(['late', 'down.backoff']);
    expect(simulator.receive(connected).catchUpEffect?.key).toBe('catchUp:2');
  });

  test('starts again in any state when the daemon was killed', () => {
    for (const before of [[], [connected], [lost], [refused], [connected, lost]]) {
      const simulator = new StreamSimulator().receive(...before, started());
      expect(simulator.state).toBe('down.connecting');
      expect(simulator.catchUpEffect).toBeUndefined();
      expect(simulator.receive(connected).catchUpEffect).toMatchObject({ changes: null });
    }
    expect(listeningStream().receive(started(), connected).catchUpEffect).toMatchObject({ changes: null });
  });

  test('ends with a clean stop: no timer, no catch-up, no alarm', () => {
    for (const simulator of [
      new StreamSimulator(),
      new StreamSimulator().receive(connected),
      listeningStream(),
      new StreamSimulator().receive(refused),
    ]) {
      simulator.receive({ type: 'stream.stopped' });
      expect(simulator.state).toBe('stopped');
      expect(simulator.pendingEffects(STREAM).filter(({ type }) => type !== 'raiseAlarm')).toEqual([]);
      simulator.receive(started(), connected);
      expect(simulator.catchUpEffect).toMatchObject({ changes: null });
    }
  });
});

describe('a suspected gap', () => {
  test('while listening is caught up at once, for all or some changes', () => {
    expect(listeningStream().receive(gapSuspected(null)).catchUpEffect).toMatchObject({ changes: null });
    expect(listeningStream().receive(gapSuspected([7, 8])).catchUpEffect).toMatchObject({ changes: [7, 8] });
  });

  test('during a catch-up is caught up after it, together with other gaps', () => {
    const simulator = new StreamSimulator().receive(connected, gapSuspected([7]), gapSuspected([8, 7]));
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:1', changes: null });
    simulator.settle(catchUpCompleted());
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:2', changes: [7, 8] });
    simulator.receive(gapSuspected([9]), gapSuspected(null)).settle(catchUpCompleted());
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:3', changes: null });
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.awaitingIndex');
  });

  test('is caught up again for changes that a catch-up reports as ambiguous', () => {
    const simulator = new StreamSimulator().receive(connected).settle(catchUpCompleted({ ambiguous: [7] }));
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:2', changes: [7] });
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.awaitingIndex');
  });

  test('is retried with increasing waits until the catch-up succeeds, with one alarm', () => {
    const simulator = new StreamSimulator().receive(connected);
    const waits: number[] = [];
    for (let times = 0; times < 8; times += 1) {
      simulator.settle(catchUpFailed);
      expect(simulator.state).toBe('up.catchUpBackoff');
      const before = simulator.now;
      simulator.fire(STREAM);
      waits.push(simulator.now - before);
    }
    expect(waits.map((ms) => ms / 1_000)).toEqual([5, 10, 20, 40, 60, 60, 60, 60]);
    expect(simulator.alarms()).toEqual([
      'catch-up-failing: missed events could not be looked up in 3 attempts: it broke',
    ]);
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.awaitingIndex');
    expect(simulator.context.failures).toBe(0);
  });

  test('is retried for its changes, and for changes that were added', () => {
    const simulator = listeningStream()
      .receive(gapSuspected([7]))
      .settle(catchUpFailed)
      .receive(gapSuspected([8]));
    simulator.fire(STREAM);
    expect(simulator.catchUpEffect).toMatchObject({ changes: [7, 8] });
  });
});

describe('an alarm', () => {
  test('is raised once for a lasting outage, and cleared at its end', () => {
    const simulator = listeningStream().receive(lost);
    simulator.fire(STREAM);
    expect(simulator.alarms()).toEqual(['stream-down: no connection for 10m: closed by the server']);
    simulator.now += 3 * 3_600_000;
    simulator.receive(lost, { ...lost, why: 'refused' } as AnyEvent, connected);
    expect(simulator.alarms()[1]).toBe(
      'stream-down: connected again after 3h 10m; missed events are being looked up',
    );
    simulator.settle(catchUpCompleted()).receive(lost, connected);
    expect(simulator.alarms()).toHaveLength(2);
  });

  test('is raised at once for a rejected login, only once, and cleared at its end', () => {
    const simulator = new StreamSimulator().receive(refused, refused, lost, refused);
    expect([simulator.state, simulator.alarms()]).toEqual([
      'down.rejected',
      ['stream-access-denied: the key is not accepted'],
    ]);
    simulator.fire(STREAM);
    expect(simulator.alarms()).toHaveLength(1);
    simulator.receive(connected);
    expect(simulator.alarms()[1]).toMatch(/^stream-access-denied: connected again after 10m/);
  });

  test('is raised for a rejected login even during an outage', () => {
    const simulator = new StreamSimulator().receive(lost);
    simulator.fire(STREAM);
    simulator.receive(refused);
    expect(simulator.alarms().map((text) => text.split(':')[0])).toEqual([
      'stream-down',
      'stream-access-denied',
    ]);
  });

  test('counts an outage across restarts of the daemon', () => {
    const simulator = listeningStream().receive(lost);
    simulator.now += 60_000;
    simulator.receive(started());
    expect(simulator.context.downSince).toBe(simulator.now - 60_000);
  });
});

describe('a catch-up that crashes the daemon', () => {
  test('is not tried a third time: it listens without catching up until an operator requests it', () => {
    const simulator = new StreamSimulator().receive(connected, crashed, started(), connected);
    expect(simulator.state).toBe('up.catchingUp');
    simulator.receive(crashed, started(), connected);
    expect([simulator.state, simulator.catchUpEffect]).toEqual(['up.listening', undefined]);
    expect(simulator.alarms()[0]).toMatch(/^catch-up-failing: looking up missed events crashed the daemon/);
    expect(simulator.receive(gapSuspected(null)).catchUpEffect).toBeUndefined();
    simulator.receive(started(5_000), connected);
    expect(simulator.catchUpEffect).toMatchObject({ changes: null });
  });

  test('does not count once a catch-up has succeeded', () => {
    const simulator = new StreamSimulator()
      .receive(connected, crashed, started(), connected)
      .settle(catchUpCompleted());
    expect(simulator.receive(crashed, started(), connected).state).toBe('up.catchingUp');
  });

  test('an internal error raises an alarm and does not change the state', () => {
    const simulator = listeningStream().receive({
      type: 'machine.failed',
      event: 'stream.gap-suspected',
      message: 'oh',
    });
    expect([simulator.state, simulator.alarms()]).toEqual([
      'up.listening',
      ['catch-up-failing: internal error: oh'],
    ]);
  });
});
