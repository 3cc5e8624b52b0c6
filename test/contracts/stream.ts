/** The contract of sources of Gerrit's events. The harness makes Gerrit send events. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EventSource, StreamListener } from '../../src/engine/ports/event-source.ts';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import { RecordingListener } from '../fakes/stream-listener.ts';

export interface StreamHarness {
  /** A source that delivers at most `queueLimit` events at a time. */
  intake(listener: StreamListener, queueLimit: number): EventSource;
  /** Writes this comment on a change: Gerrit sends `comment-added`. */
  comment(text: string): Promise<void>;
  close(): Promise<void>;
}

export function streamContract(name: string, start: () => Promise<StreamHarness>): void {
  describe(`stream contract: ${name}`, () => {
    let harness: StreamHarness;
    let listener: RecordingListener;
    let intake: EventSource | null = null;

    beforeEach(async () => {
      harness = await start();
      listener = new RecordingListener();
    });
    afterEach(async () => {
      await intake?.stop();
      intake = null;
      await harness.close();
    });

    async function connect(queueLimit = 100): Promise<EventSource> {
      const made = harness.intake(listener, queueLimit);
      intake = made;
      made.start();
      await listener.until(() => listener.connected);
      return made;
    }

    test('reports once that it is connected', async () => {
      await connect();
      expect(listener.states.filter((state) => state.connected)).toHaveLength(1);
      expect(listener.states[0]).toMatchObject({ connected: true, permanent: false });
    });

    test('delivers events from the connection on, in order', async () => {
      await connect();
      await harness.comment('first words');
      await harness.comment('second words');
      await harness.comment('third words');
      await listener.until(() => comments(listener.events).length === 3);
      expect(comments(listener.events).map((text) => text.split('\n').at(-1))).toEqual([
        'first words',
        'second words',
        'third words',
      ]);
    });

    test('never delivers more than the limit while the store is slow, and loses nothing', async () => {
      listener.holdEvents();
      await connect(2);
      for (const word of ['one', 'two', 'three', 'four', 'five']) await harness.comment(word);
      await listener.until(() => listener.held === 2);
      expect(listener.maxHeld).toBe(2);
      listener.releaseEvents();
      await listener.until(() => comments(listener.events).length === 5);
      expect(listener.maxHeld).toBe(2);
    });

    test('delivers nothing after a stop', async () => {
      const made = await connect();
      await made.stop();
      const before = listener.events.length;
      await harness.comment('too late');
      expect(listener.events).toHaveLength(before);
    });

    test('delivers nothing after a stop before the connection', async () => {
      const made = harness.intake(listener, 100);
      made.start();
      await made.stop();
      expect(listener.events).toEqual([]);
    });
  });
}

function comments(events: readonly GerritEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'comment-added' ? [event.comment] : []));
}
