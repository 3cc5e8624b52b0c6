/** The connection to Gerrit: whatever may have been missed is looked for, until that works; the operator hears of what lasts. */
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
  test('is looked back from before it counts as listening', () => {
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

  test('is looked back from once more a little later, for what Gerrit did not show yet', () => {
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

  test('that may have missed something meanwhile is looked at at once, and still once more later', () => {
    const simulator = new StreamSimulator()
      .receive(connected)
      .settle(catchUpCompleted())
      .receive(gapSuspected([7]));
    expect(simulator.catchUpEffect).toMatchObject({ changes: [7] });
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.awaitingIndex');
    expect(simulator.completeSecondCatchUp().state).toBe('up.listening');
  });

  test('that is lost and comes back is looked back from again', () => {
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

  test('lost while it is looked back from: the question is taken back, its late answer moves nothing', () => {
    const simulator = new StreamSimulator().receive(connected, lost);
    expect(simulator.catchUpEffect).toBeUndefined();
    const late = simulator.send(STREAM, catchUpCompleted(), { settles: 'catchUp:1' });
    expect([late.outcome, simulator.state]).toEqual(['late', 'down.backoff']);
    expect(simulator.receive(connected).catchUpEffect?.key).toBe('catchUp:2');
  });

  test('of a daemon that was killed is begun again, whatever state it was in', () => {
    for (const before of [[], [connected], [lost], [refused], [connected, lost]]) {
      const simulator = new StreamSimulator().receive(...before, started());
      expect(simulator.state).toBe('down.connecting');
      expect(simulator.catchUpEffect).toBeUndefined();
      expect(simulator.receive(connected).catchUpEffect).toMatchObject({ changes: null });
    }
    expect(listeningStream().receive(started(), connected).catchUpEffect).toMatchObject({ changes: null });
  });

  test('ends with a clean stop: no timer, no question, no alarm', () => {
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

describe('something that may have been missed', () => {
  test('while listening is looked for at once: everything, or some changes', () => {
    expect(listeningStream().receive(gapSuspected(null)).catchUpEffect).toMatchObject({ changes: null });
    expect(listeningStream().receive(gapSuspected([7, 8])).catchUpEffect).toMatchObject({ changes: [7, 8] });
  });

  test('while a look is under way is looked for after it, all of it together', () => {
    const simulator = new StreamSimulator().receive(connected, gapSuspected([7]), gapSuspected([8, 7]));
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:1', changes: null });
    simulator.settle(catchUpCompleted());
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:2', changes: [7, 8] });
    simulator.receive(gapSuspected([9]), gapSuspected(null)).settle(catchUpCompleted());
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:3', changes: null });
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.awaitingIndex');
  });

  test('what a look is not sure of is looked at once more', () => {
    const simulator = new StreamSimulator().receive(connected).settle(catchUpCompleted({ unsure: [7] }));
    expect(simulator.catchUpEffect).toMatchObject({ key: 'catchUp:2', changes: [7] });
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.awaitingIndex');
  });

  test('a look that fails is tried again after growing waits, until it works, and the operator hears of it once', () => {
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
      'catch-up-failing: what was missed cannot be looked up, tried 3 times: it broke',
    ]);
    expect(simulator.settle(catchUpCompleted()).state).toBe('up.awaitingIndex');
    expect(simulator.context.failures).toBe(0);
  });

  test('a look at some changes that fails is asked again for those, and for what came to them', () => {
    const simulator = listeningStream()
      .receive(gapSuspected([7]))
      .settle(catchUpFailed)
      .receive(gapSuspected([8]));
    simulator.fire(STREAM);
    expect(simulator.catchUpEffect).toMatchObject({ changes: [7, 8] });
  });
});

describe('the operator', () => {
  test('hears of a connection that stays away, once, and of its return', () => {
    const simulator = listeningStream().receive(lost);
    simulator.fire(STREAM);
    expect(simulator.alarms()).toEqual(['stream-down: no connection for 10m: closed by the server']);
    simulator.now += 3 * 3_600_000;
    simulator.receive(lost, { ...lost, why: 'refused' } as AnyEvent, connected);
    expect(simulator.alarms()[1]).toBe(
      'stream-down: connected again after 3h 10m; what was missed is looked up',
    );
    simulator.settle(catchUpCompleted()).receive(lost, connected);
    expect(simulator.alarms()).toHaveLength(2);
  });

  test('hears of a refusal at once, once, and of its end', () => {
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

  test('hears of a refusal also when the connection was away for long before', () => {
    const simulator = new StreamSimulator().receive(lost);
    simulator.fire(STREAM);
    simulator.receive(refused);
    expect(simulator.alarms().map((text) => text.split(':')[0])).toEqual([
      'stream-down',
      'stream-access-denied',
    ]);
  });

  test('an outage goes on over restarts of the daemon', () => {
    const simulator = listeningStream().receive(lost);
    simulator.now += 60_000;
    simulator.receive(started());
    expect(simulator.context.downSince).toBe(simulator.now - 60_000);
  });
});

describe('a look that brings the daemon down', () => {
  test('is not tried a third time: it listens on without, until an operator asks', () => {
    const simulator = new StreamSimulator().receive(connected, crashed, started(), connected);
    expect(simulator.state).toBe('up.catchingUp');
    simulator.receive(crashed, started(), connected);
    expect([simulator.state, simulator.catchUpEffect]).toEqual(['up.listening', undefined]);
    expect(simulator.alarms()[0]).toMatch(
      /^catch-up-failing: looking up what was missed brought the daemon down/,
    );
    expect(simulator.receive(gapSuspected(null)).catchUpEffect).toBeUndefined();
    simulator.receive(started(5_000), connected);
    expect(simulator.catchUpEffect).toMatchObject({ changes: null });
  });

  test('once only does not count after one that worked', () => {
    const simulator = new StreamSimulator()
      .receive(connected, crashed, started(), connected)
      .settle(catchUpCompleted());
    expect(simulator.receive(crashed, started(), connected).state).toBe('up.catchingUp');
  });

  test('an internal error is told and moves nothing', () => {
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
