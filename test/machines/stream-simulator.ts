/** Simulates only the history of the connection to Gerrit: its events, and the results of its effects. */
import type { AnyEvent, StreamLimits } from '../../src/machines/protocol/events.ts';
import type { StreamContext } from '../../src/machines/system/stream-setup.ts';
import { failure } from './facts.ts';
import { Simulator } from './simulator.ts';

export const STREAM = 'stream';
const LIMITS: StreamLimits = {
  downAlarmMs: 600_000,
  catchUpTimeoutMs: 300_000,
  catchUpRetryMs: 5_000,
  catchUpRetryMaxMs: 60_000,
  catchUpAlarmAttempts: 3,
  catchUpAgainMs: 15_000,
};
export const started = (since: number | null = null): AnyEvent => ({
  type: 'stream.started',
  server: 'review.example.org:29418',
  limits: LIMITS,
  since,
});
export const connected: AnyEvent = { type: 'stream.connected', why: 'connected (3.9.1)' };
export const lost: AnyEvent = { type: 'stream.disconnected', why: 'closed by the server', hint: '' };
export const refused: AnyEvent = {
  type: 'stream.rejected',
  why: 'the key is not accepted',
  hint: 'check the key',
};
export const gapSuspected = (changes: readonly number[] | null, why = 'dropped-output'): AnyEvent => ({
  type: 'stream.gap-suspected',
  why,
  changes,
});
export const catchUpCompleted = (
  changes: { readonly found?: number; readonly ambiguous?: readonly number[] } = {},
): AnyEvent => ({
  type: 'catchup.completed',
  since: 1_000,
  changes: 4,
  found: 0,
  ambiguous: [],
  unparsed: 0,
  ...changes,
});
export const catchUpFailed: AnyEvent = { type: 'catchup.failed', failure: failure('query changes') };
export const crashed: AnyEvent = {
  type: 'daemon.crashed',
  during: 'catchUp:1',
  message: 'undefined is not a function',
};

export class StreamSimulator extends Simulator {
  constructor() {
    super();
    this.send(STREAM, started());
  }
  receive(...events: readonly AnyEvent[]): this {
    for (const event of events) this.send(STREAM, event);
    return this;
  }
  get state(): string {
    return this.at(STREAM).state;
  }
  get context(): StreamContext {
    return this.at(STREAM).context as unknown as StreamContext;
  }
  /** The pending catch-up. */
  get catchUpEffect() {
    return this.pendingEffects(STREAM).find((effect) => effect.type === 'catchUp');
  }
  settle(event: AnyEvent): this {
    this.answerType(STREAM, 'catchUp', event);
    return this;
  }
  /** Runs the second catch-up after the connection was made. */
  completeSecondCatchUp(): this {
    this.fire(STREAM);
    return this.settle(catchUpCompleted());
  }
  alarms(): readonly string[] {
    return this.log
      .flatMap((row) => row.effects)
      .flatMap((effect) =>
        effect.type === 'raiseAlarm' ? [`${effect.alarm.kind}: ${effect.alarm.message}`] : [],
      );
  }
}
export const listeningStream = () =>
  new StreamSimulator().receive(connected).settle(catchUpCompleted()).completeSecondCatchUp();
