/**
 * Whose work it is that happens on a connection which many share. By itself Node lays all that a socket brings at the door
 * of whoever opened it: a mistake of ours in the answer to one job would park another. So a shared connection is opened as
 * nobody's, and what a channel tells is heard in the name of the one who asked for it. The engine, of which adapters know
 * nothing, sees it as it sees all other work: by the asynchronous context.
 */
import { AsyncResource } from 'node:async_hooks';
import type { ClientChannel } from 'ssh2';

type Attach = (channel: ClientChannel) => void;

/** Made when the program starts, which is before any work. */
const nobody = new AsyncResource('sos-ci:shared');

/** Does it in nobody's name, and whatever comes of it later. */
export function asNobody<T>(work: () => T): T {
  return nobody.runInAsyncScope(work);
}

/** The same `attach`, which is called in the name of whoever calls this, as is all that listens to its channel. */
export function inMyName(attach: Attach): Attach {
  const me = new AsyncResource('sos-ci:asker');
  const hear = (work: () => boolean): boolean =>
    me.runInAsyncScope(() => {
      try {
        return work();
      } catch (error) {
        // Thrown from here it would be taken by ssh2 for an end of the connection, or leave our name behind.
        process.nextTick(() => {
          throw error;
        });
        return true;
      }
    });
  return (channel) => {
    for (const source of [channel, channel.stderr]) {
      const emit = source.emit;
      source.emit = (name: string | symbol, ...told: unknown[]) =>
        hear(() => emit.call(source, name, ...told));
    }
    hear(() => {
      attach(channel);
      return true;
    });
  };
}
