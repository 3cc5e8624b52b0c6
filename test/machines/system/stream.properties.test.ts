/** Any sequence of events keeps the invariants of the connection's history. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { runs } from '../../fixtures/effort.ts';
import { differences, ignored, invariantViolations } from '../invariants.ts';
import {
  catchUpCompleted,
  catchUpFailed,
  connected,
  crashed,
  gapSuspected,
  lost,
  refused,
  STREAM,
  StreamSimulator,
  started,
} from '../stream-simulator.ts';

describe('any sequence of events', () => {
  const received = fc.constantFrom(
    started(),
    started(9),
    connected,
    lost,
    refused,
    gapSuspected(null),
    gapSuspected([7]),
    crashed,
    { type: 'stream.stopped' } as AnyEvent,
    { type: 'machine.failed', event: 'x', message: 'y' } as AnyEvent,
  );
  const answer = fc.constantFrom(catchUpCompleted(), catchUpCompleted({ ambiguous: [7] }), catchUpFailed);
  const happening = fc.oneof(
    { weight: 3, arbitrary: received.map((event) => ({ event, answers: false })) },
    { weight: 3, arbitrary: answer.map((event) => ({ event, answers: true })) },
    { weight: 1, arbitrary: fc.constant('timer' as const) },
  );

  test('keeps the invariants, and listens after successful catch-ups', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 60, size: 'max' }), (happenings) => {
        const simulator = new StreamSimulator();
        for (const happening of happenings) {
          if (happening === 'timer') {
            if (simulator.pendingEffects(STREAM).some(({ type }) => type === 'setTimer'))
              simulator.fire(STREAM);
          } else if (!happening.answers) simulator.receive(happening.event);
          else if (simulator.catchUpEffect !== undefined) simulator.settle(happening.event);
        }
        simulator.receive(started(9), connected).settle(catchUpCompleted()).completeSecondCatchUp();
        expect(simulator.state).toBe('up.listening');
        expect(invariantViolations(simulator)).toEqual([]);
        expect(differences(simulator)).toEqual([]);
        expect(ignored(simulator)).toEqual([]);
      }),
      { numRuns: runs(200) },
    );
  });
});
