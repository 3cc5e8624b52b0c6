/**
 * How a story makes trouble: something happens when the log has come to a row, and a port of the world is bent, so that
 * one of its methods does something else.
 */

import type { Adapters } from '../../src/engine/ports/adapters.ts';
import type { LogEntry } from '../../src/engine/ports/store.ts';
import { OperationError } from '../../src/errors.ts';
import { failure } from '../machines/facts.ts';
import type { CiHarness } from './ci-harness.ts';

/** Does something in the world when the first row that fits is in the log. */
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

/** The world with one port's method bent. */
export function bent<P extends 'source' | 'runner' | 'evidence' | 'reviewer' | 'alarms' | 'mailer'>(
  port: P,
  wrapAdapters: (inner: NonNullable<Adapters[P]>, ci: CiHarness) => Partial<NonNullable<Adapters[P]>>,
) {
  return (world: Adapters, ci: CiHarness): Adapters => {
    const inner = world[port];
    if (inner === null) throw new Error(`there is no ${port}`);
    const changes = wrapAdapters(inner, ci);
    const proxy = new Proxy(inner, {
      get: (target, property) => {
        const value: unknown = Reflect.get(changes, property) ?? Reflect.get(target, property, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { ...world, [port]: proxy };
  };
}

/** The provider with its creation bent. */
export function bentProvider(
  wrapAdapters: (inner: CiHarness['provider'], ci: CiHarness) => Partial<CiHarness['provider']>,
) {
  return (world: Adapters, ci: CiHarness): Adapters => {
    const { provider } = ci;
    const changes = wrapAdapters(provider, ci);
    const wrapped = {
      name: provider.name,
      slots: provider.slots,
      create: changes.create ?? provider.create.bind(provider),
      list: changes.list ?? provider.list.bind(provider),
      delete: changes.delete ?? provider.delete.bind(provider),
      whyGone: changes.whyGone ?? provider.whyGone.bind(provider),
    };
    return { ...world, providers: new Map([[provider.name, wrapped]]) };
  };
}
