/**
 * Records alarms for tests. `failNext` makes the next raise fail.
 */
import type { Alarms } from '../../src/engine/ports/adapters.ts';
import { OperationError } from '../../src/errors.ts';
import type { Alarm } from '../../src/machines/model/alarm.ts';

export class FakeAlarms implements Alarms {
  /** The raised alarms, oldest first, and the clears of those that were open. */
  readonly raised: Alarm[] = [];
  /** How many times `raise` was called, failures included. */
  calls = 0;
  readonly #failures: Error[] = [];

  async raise(alarm: Alarm): Promise<void> {
    this.calls += 1;
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
    const last = this.raised.findLast(({ kind, target }) => kind === alarm.kind && target === alarm.target);
    if (alarm.cleared === true && (last === undefined || last.cleared === true)) return;
    this.raised.push(alarm);
  }

  /** The next raise rejects with this. Two calls of this method affect the next two. */
  failNext(failure: Error = alarmFailure()): void {
    this.#failures.push(failure);
  }

  /** The kinds that were raised, oldest first. */
  get kinds(): readonly Alarm['kind'][] {
    return this.raised.map((alarm) => alarm.kind);
  }
}

function alarmFailure(): OperationError {
  return new OperationError({
    operation: 'raise alarm',
    target: 'operator',
    message: 'the mail server does not answer',
    retryable: true,
    hint: 'check the mail server',
  });
}
