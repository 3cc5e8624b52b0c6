/**
 * The async context of work on a shared connection. Node attributes socket callbacks to the async context that opened
 * the socket, so an error thrown while one job's response is handled would park another job. A shared connection is therefore opened
 * without a context, and a channel's events run in the context that requested the channel. The engine, which adapters
 * know nothing about, identifies the failed work by its context.
 */
import { AsyncResource } from 'node:async_hooks';
import type { ClientChannel } from 'ssh2';

type Attach = (channel: ClientChannel) => void;

/** Created at program start, before any work. */
const detached = new AsyncResource('sos-ci:shared');

/** Runs `work`, and everything it triggers, outside of the caller's context. */
export function detachContext<T>(work: () => T): T {
  return detached.runInAsyncScope(work);
}

/** Returns an `attach` that runs in the context of this function's caller, as do all listeners of its channel. */
export function bindContext(attach: Attach): Attach {
  const context = new AsyncResource('sos-ci:channel');
  const run = (work: () => boolean): boolean =>
    context.runInAsyncScope(() => {
      try {
        return work();
      } catch (error) {
        // If it were thrown here, ssh2 would treat it as the end of the connection, or it would lose its context.
        process.nextTick(() => {
          throw error;
        });
        return true;
      }
    });
  return (channel) => {
    for (const source of [channel, channel.stderr]) {
      const emit = source.emit;
      source.emit = (name: string | symbol, ...values: unknown[]) =>
        run(() => emit.call(source, name, ...values));
    }
    run(() => {
      attach(channel);
      return true;
    });
  };
}
