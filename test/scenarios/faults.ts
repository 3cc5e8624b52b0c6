/**
 * Faults for stories: actions when a given row is in the log, and ports with replaced methods.
 */

import type { Adapters } from '../../src/engine/ports/adapters.ts';
import type { LogEntry } from '../../src/engine/ports/store.ts';
import { OperationError } from '../../src/errors.ts';
import { failure } from '../machines/facts.ts';
import type { CiHarness } from './ci-harness.ts';

/** Calls `act` when the first matching row is in the log. */
export function when(ci: CiHarness, fits: (append: LogEntry) => boolean, act: () => void): void {
  const others = ci.onDurable;
  let done = false;
  ci.onDurable = (batch) => {
    others(batch);
    if (done || !batch.some(fits)) return;
    done = true;
    act();
  };
}

export const isAt = (state: string) => (append: LogEntry) => append.stored.state === state;
export const isRow = (type: string) => (append: LogEntry) => append.row.type === type;

export function outage(operation: string, retryable = true): OperationError {
  return new OperationError(failure(operation, { retryable }));
}

/** Replaces methods of one port. */
export function wrapPort<P extends 'source' | 'runner' | 'evidence' | 'reviewer' | 'alarms' | 'mailer'>(
  port: P,
  methodsOf: (inner: NonNullable<Adapters[P]>, ci: CiHarness) => Partial<NonNullable<Adapters[P]>>,
) {
  return (adapters: Adapters, ci: CiHarness): Adapters => {
    const inner = adapters[port];
    if (inner === null) throw new Error(`there is no ${port}`);
    const changes = methodsOf(inner, ci);
    const proxy = new Proxy(inner, {
      get: (target, property) => {
        const value: unknown = Reflect.get(changes, property) ?? Reflect.get(target, property, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { ...adapters, [port]: proxy };
  };
}

/** Replaces methods of the provider. */
export function wrapProvider(
  methodsOf: (inner: CiHarness['provider'], ci: CiHarness) => Partial<CiHarness['provider']>,
) {
  return (adapters: Adapters, ci: CiHarness): Adapters => {
    const { provider } = ci;
    const changes = methodsOf(provider, ci);
    const wrapped = {
      name: provider.name,
      slots: provider.slots,
      create: changes.create ?? provider.create.bind(provider),
      list: changes.list ?? provider.list.bind(provider),
      delete: changes.delete ?? provider.delete.bind(provider),
      open: changes.open ?? provider.open.bind(provider),
      describe: changes.describe ?? provider.describe.bind(provider),
      whyGone: changes.whyGone ?? provider.whyGone.bind(provider),
    };
    return { ...adapters, providers: new Map([[provider.name, wrapped]]) };
  };
}
