/** Any sequence of events keeps the promises of the connection's history. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { runs } from '../../fixtures/effort.ts';
import { breaches, differences, ignored } from '../invariants.ts';
import {
  closed,
  connected,
  crashed,
  gapped,
  lost,
  refused,
  STREAM,
  StreamWorld,
  started,
  unclosed,
} from '../stream-world.ts';

describe('any sequence of events', () => {
  const received = fc.constantFrom(
    started(),
    started(9),
    connected,
    lost,
    refused,
    gapped(null),
    gapped([7]),
    crashed,
    { type: 'stream.stopped' } as AnyEvent,
    { type: 'machine.failed', event: 'x', message: 'y' } as AnyEvent,
  );
  const answer = fc.constantFrom(closed(), closed({ unsure: [7] }), unclosed);
  const happening = fc.oneof(
    { weight: 3, arbitrary: received.map((event) => ({ event, answers: false })) },
    { weight: 3, arbitrary: answer.map((event) => ({ event, answers: true })) },
    { weight: 1, arbitrary: fc.constant('timer' as const) },
  );

  test('keeps the promises, and listens once it is let', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 60, size: 'max' }), (happenings) => {
        const world = new StreamWorld();
        for (const one of happenings) {
          if (one === 'timer') {
            if (world.owed(STREAM).some(({ type }) => type === 'setTimer')) world.fire(STREAM);
          } else if (!one.answers) world.receive(one.event);
          else if (world.catchUpEffect !== undefined) world.settle(one.event);
        }
        world.receive(started(9), connected).settle(closed()).settleDown();
        expect(world.state).toBe('up.listening');
        expect(breaches(world)).toEqual([]);
        expect(differences(world)).toEqual([]);
        expect(ignored(world)).toEqual([]);
      }),
      { numRuns: runs(200) },
    );
  });
});
