/**
 * Sends each piece of work to whoever can do it where its server is: on this host, or on a node by SSH. A server's address
 * says which, so that this holds for a provider too that is not in the configuration any more.
 */
import { isNode } from '../adapters/ssh/address.ts';
import type { Runner, Source } from '../engine/ports/adapters.ts';
import type { Server } from '../machines/model/domain.ts';

export interface ByPlace<T> {
  readonly here: T;
  readonly node: T;
}

export function runnerByPlace(runners: ByPlace<Runner>): Runner {
  const of = placeOf(runners);
  return {
    start: (request, signal) => of(request.run.server).start(request, signal),
    stop: (run, signal) => of(run.server).stop(run, signal),
    readResults: (server, ...what) => of(server).readResults(server, ...what),
  };
}

export function sourceByPlace(sources: ByPlace<Source>): Source {
  const of = placeOf(sources);
  return { fetch: (request, signal) => of(request.server).fetch(request, signal) };
}

function placeOf<T>({ here, node }: ByPlace<T>): (server: Server) => T {
  return (server) => (isNode(server) ? node : here);
}
