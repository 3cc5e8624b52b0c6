/**
 * The async context of work on a connection that many share. Node attributes socket callbacks to the async context that
 * opened the socket: an error of ours in the answer to one job would park another. So a shared connection is opened
 * without a context, and the events of a channel run in the context that asked for it. The engine, of which adapters know
 * nothing, finds the work that failed by its context.
 */
import { AsyncResource } from 'node:async_hooks';
import type { ClientChannel } from 'ssh2';

type Attach = (channel: ClientChannel) => void;

/** Made when the program starts, before any work. */
const detached = new AsyncResource('sos-ci:shared');

/** Runs `work`, and all that follows from it, outside of the caller's context. */
export function detachContext<T>(work: () => T): T {
  return detached.runInAsyncScope(work);
}

/** The same `attach`, which runs in the context of the caller of this function, as do all listeners of its channel. */
export function bindContext(attach: Attach): Attach {
  const context = new AsyncResource('sos-ci:channel');
  const run = (work: () => boolean): boolean =>
    context.runInAsyncScope(() => {
      try {
        return work();
      } catch (error) {
        // Thrown from here, ssh2 would take it for an end of the connection, or it would lose the context.
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
