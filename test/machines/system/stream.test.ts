/** The connection to Gerrit: whatever may have been missed is looked for, until that works; the operator hears of what lasts. */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import {
  closed,
  connected,
  crashed,
  gapped,
  listening,
  lost,
  refused,
  STREAM,
  StreamWorld,
  started,
  unclosed,
} from '../stream-world.ts';

describe('a connection', () => {
  test('is looked back from before it counts as listening', () => {
    const world = new StreamWorld();
    expect(world.state).toBe('down.connecting');
    world.receive(connected);
    expect(world.state).toBe('up.catchingUp');
    expect(world.catchUpEffect).toEqual({
      type: 'catchUp',
      key: 'catchUp:1',
      changes: null,
      timeoutMs: 300_000,
    });
    world.settle(closed({ found: 3 }));
    expect(world.context.caughtUp).toEqual({ at: world.now, since: 1_000, changes: 4, found: 3 });
    expect(world.settleDown().state).toBe('up.listening');
    expect(world.owed(STREAM)).toEqual([]);
    expect(world.alarms()).toEqual([]);
  });

  test('is looked back from once more a little later, for what Gerrit did not show yet', () => {
    const world = new StreamWorld().receive(connected).settle(closed());
    expect(world.state).toBe('up.awaitingIndex');
    const before = world.now;
    world.fire(STREAM);
    expect(world.now - before).toBe(15_000);
    expect(world.catchUpEffect).toMatchObject({ key: 'catchUp:2', changes: null });
    world.settle(unclosed);
    world.fire(STREAM);
    expect(world.settle(closed()).state).toBe('up.listening');
    expect(world.receive(gapped(null)).settle(closed()).state).toBe('up.listening');
  });

  test('that may have missed something meanwhile is looked at at once, and still once more later', () => {
    const world = new StreamWorld()
      .receive(connected)
      .settle(closed())
      .receive(gapped([7]));
    expect(world.catchUpEffect).toMatchObject({ changes: [7] });
    expect(world.settle(closed()).state).toBe('up.awaitingIndex');
    expect(world.settleDown().state).toBe('up.listening');
  });

  test('that is lost and comes back is looked back from again', () => {
    const world = listening().receive(lost);
    expect(world.state).toBe('down.backoff');
    expect(world.context).toMatchObject({ why: 'closed by the server', upSince: null, downSince: world.now });
    world.receive(connected);
    expect(world.catchUpEffect).toMatchObject({ key: 'catchUp:3', changes: null });
    expect(world.settle(closed()).state).toBe('up.awaitingIndex');
  });

  test('lost while it is looked back from: the question is taken back, its late answer moves nothing', () => {
    const world = new StreamWorld().receive(connected, lost);
    expect(world.catchUpEffect).toBeUndefined();
    const late = world.send(STREAM, closed(), { settles: 'catchUp:1' });
    expect([late.outcome, world.state]).toEqual(['late', 'down.backoff']);
    expect(world.receive(connected).catchUpEffect?.key).toBe('catchUp:2');
  });

  test('of a daemon that was killed is begun again, whatever state it was in', () => {
    for (const before of [[], [connected], [lost], [refused], [connected, lost]]) {
      const world = new StreamWorld().receive(...before, started());
      expect(world.state).toBe('down.connecting');
      expect(world.catchUpEffect).toBeUndefined();
      expect(world.receive(connected).catchUpEffect).toMatchObject({ changes: null });
    }
    expect(listening().receive(started(), connected).catchUpEffect).toMatchObject({ changes: null });
  });

  test('ends with a clean stop: no timer, no question, no alarm', () => {
    for (const world of [
      new StreamWorld(),
      new StreamWorld().receive(connected),
      listening(),
      new StreamWorld().receive(refused),
    ]) {
      world.receive({ type: 'stream.stopped' });
      expect(world.state).toBe('stopped');
      expect(world.owed(STREAM).filter(({ type }) => type !== 'raiseAlarm')).toEqual([]);
      world.receive(started(), connected);
      expect(world.catchUpEffect).toMatchObject({ changes: null });
    }
  });
});

describe('something that may have been missed', () => {
  test('while listening is looked for at once: everything, or some changes', () => {
    expect(listening().receive(gapped(null)).catchUpEffect).toMatchObject({ changes: null });
    expect(listening().receive(gapped([7, 8])).catchUpEffect).toMatchObject({ changes: [7, 8] });
  });

  test('while a look is under way is looked for after it, all of it together', () => {
    const world = new StreamWorld().receive(connected, gapped([7]), gapped([8, 7]));
    expect(world.catchUpEffect).toMatchObject({ key: 'catchUp:1', changes: null });
    world.settle(closed());
    expect(world.catchUpEffect).toMatchObject({ key: 'catchUp:2', changes: [7, 8] });
    world.receive(gapped([9]), gapped(null)).settle(closed());
    expect(world.catchUpEffect).toMatchObject({ key: 'catchUp:3', changes: null });
    expect(world.settle(closed()).state).toBe('up.awaitingIndex');
  });

  test('what a look is not sure of is looked at once more', () => {
    const world = new StreamWorld().receive(connected).settle(closed({ unsure: [7] }));
    expect(world.catchUpEffect).toMatchObject({ key: 'catchUp:2', changes: [7] });
    expect(world.settle(closed()).state).toBe('up.awaitingIndex');
  });

  test('a look that fails is tried again after growing waits, until it works, and the operator hears of it once', () => {
    const world = new StreamWorld().receive(connected);
    const waits: number[] = [];
    for (let times = 0; times < 8; times += 1) {
      world.settle(unclosed);
      expect(world.state).toBe('up.catchUpBackoff');
      const before = world.now;
      world.fire(STREAM);
      waits.push(world.now - before);
    }
    expect(waits.map((ms) => ms / 1_000)).toEqual([5, 10, 20, 40, 60, 60, 60, 60]);
    expect(world.alarms()).toEqual([
      'catch-up-failing: what was missed cannot be looked up, tried 3 times: it broke',
    ]);
    expect(world.settle(closed()).state).toBe('up.awaitingIndex');
    expect(world.context.failures).toBe(0);
  });

  test('a look at some changes that fails is asked again for those, and for what came to them', () => {
    const world = listening()
      .receive(gapped([7]))
      .settle(unclosed)
      .receive(gapped([8]));
    world.fire(STREAM);
    expect(world.catchUpEffect).toMatchObject({ changes: [7, 8] });
  });
});

describe('the operator', () => {
  test('hears of a connection that stays away, once, and of its return', () => {
    const world = listening().receive(lost);
    world.fire(STREAM);
    expect(world.alarms()).toEqual(['stream-down: no connection for 10m: closed by the server']);
    world.now += 3 * 3_600_000;
    world.receive(lost, { ...lost, why: 'refused' } as AnyEvent, connected);
    expect(world.alarms()[1]).toBe('stream-down: connected again after 3h 10m; what was missed is looked up');
    world.settle(closed()).receive(lost, connected);
    expect(world.alarms()).toHaveLength(2);
  });

  test('hears of a refusal at once, once, and of its end', () => {
    const world = new StreamWorld().receive(refused, refused, lost, refused);
    expect([world.state, world.alarms()]).toEqual([
      'down.rejected',
      ['stream-access-denied: the key is not accepted'],
    ]);
    world.fire(STREAM);
    expect(world.alarms()).toHaveLength(1);
    world.receive(connected);
    expect(world.alarms()[1]).toMatch(/^stream-access-denied: connected again after 10m/);
  });

  test('hears of a refusal also when the connection was away for long before', () => {
    const world = new StreamWorld().receive(lost);
    world.fire(STREAM);
    world.receive(refused);
    expect(world.alarms().map((text) => text.split(':')[0])).toEqual(['stream-down', 'stream-access-denied']);
  });

  test('an outage goes on over restarts of the daemon', () => {
    const world = listening().receive(lost);
    world.now += 60_000;
    world.receive(started());
    expect(world.context.downSince).toBe(world.now - 60_000);
  });
});

describe('a look that brings the daemon down', () => {
  test('is not tried a third time: it listens on without, until an operator asks', () => {
    const world = new StreamWorld().receive(connected, crashed, started(), connected);
    expect(world.state).toBe('up.catchingUp');
    world.receive(crashed, started(), connected);
    expect([world.state, world.catchUpEffect]).toEqual(['up.listening', undefined]);
    expect(world.alarms()[0]).toMatch(
      /^catch-up-failing: looking up what was missed brought the daemon down/,
    );
    expect(world.receive(gapped(null)).catchUpEffect).toBeUndefined();
    world.receive(started(5_000), connected);
    expect(world.catchUpEffect).toMatchObject({ changes: null });
  });

  test('once only does not count after one that worked', () => {
    const world = new StreamWorld().receive(connected, crashed, started(), connected).settle(closed());
    expect(world.receive(crashed, started(), connected).state).toBe('up.catchingUp');
  });

  test('an internal error is told and moves nothing', () => {
    const world = listening().receive({
      type: 'machine.failed',
      event: 'stream.gap-suspected',
      message: 'oh',
    });
    expect([world.state, world.alarms()]).toEqual(['up.listening', ['catch-up-failing: internal error: oh']]);
  });
});
