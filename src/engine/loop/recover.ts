/**
 * Recovers after a start, in this order: the open histories from their views (checked by hash, not refolded), then the
 * timers, overdue ones first and in order, then every effect that is still pending, each reconciled before it is
 * performed.
 */
import { OperationError } from '../../errors.ts';
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import { isKnownMachine } from '../../machines/versions.ts';
import type { Store } from '../ports/store.ts';
import type { Engine } from './engine.ts';

export interface Recovered {
  readonly histories: number;
  readonly overdue: number;
  readonly pending: number;
}

export async function recover(engine: Engine, store: Store): Promise<Recovered> {
  // The order of restoration is not the order of the queue.
  const grantSlots = engine.slots.suspend();
  engine.slots.restoreServedTimes(store.lastServed());
  engine.served.begin();
  for (const stored of store.open()) {
    if (!isKnownMachine(stored.machine)) throw unknownMachine(stored);
    engine.restore(stored);
  }
  const outbox = store.outbox();
  const overdue = await fireOverdue(engine, outbox);
  let pending = 0;
  // Reading the outbox takes a large part of a start: it is read again only when overdue timers changed it.
  for (const { history, effect, seq, requestedAt } of overdue.fired === 0 ? outbox : store.outbox()) {
    // Newer effects come from the overdue timers and are in progress already.
    if (seq > overdue.newest) continue;
    // The stream requests this again once it is connected.
    if (effect.type === 'catchUp') continue;
    engine.performEffect({ history, at: requestedAt }, effect, true);
    pending += 1;
  }
  grantSlots();
  return { histories: engine.histories.size, overdue: overdue.fired, pending };
}

function unknownMachine({ history, machine }: HistorySnapshot): OperationError {
  return new OperationError({
    operation: 'open database',
    target: history,
    message: `this program does not have ${machine}, the version with which this history began`,
    retryable: false,
    hint: 'start the newer sos-ci again, and drain it before the downgrade',
  });
}

async function fireOverdue(
  engine: Engine,
  pending: ReturnType<Store['outbox']>,
): Promise<{ readonly fired: number; readonly newest: number }> {
  const newest = pending.at(-1)?.seq ?? 0;
  const overdue = pending
    .filter(({ history, effect }) => {
      return effect.type === 'setTimer' && engine.histories.has(history) && engine.timers.isOverdue(effect);
    })
    .sort((one, other) => dueAt(one.effect) - dueAt(other.effect));
  for (const { history, key } of overdue) {
    await engine.fireTimer(history, key);
  }
  return { fired: overdue.length, newest };
}

function dueAt(effect: { readonly type: string; readonly dueAt?: number }): number {
  return effect.dueAt ?? 0;
}
