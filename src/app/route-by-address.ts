/**
 * Sends each piece of work to whoever can do it where its server is: on this host, or on a node by SSH. A server's address
 * says which, so that this holds for a provider too that is not in the configuration any more.
 */
import { isNode } from '../adapters/ssh/address.ts';
import type { Runner, Source } from '../engine/ports/adapters.ts';
import type { Server } from '../machines/model/domain.ts';

export interface ByAddress<T> {
  readonly local: T;
  readonly node: T;
}

export function routedRunner(runners: ByAddress<Runner>): Runner {
  const route = router(runners);
  return {
    start: (request, signal) => route(request.run.server).start(request, signal),
    stop: (run, signal) => route(run.server).stop(run, signal),
    readResults: (server, ...what) => route(server).readResults(server, ...what),
  };
}

export function routedSource(sources: ByAddress<Source>): Source {
  const route = router(sources);
  return { fetch: (request, signal) => route(request.server).fetch(request, signal) };
}

function router<T>({ local, node }: ByAddress<T>): (server: Server) => T {
  return (server) => (isNode(server) ? node : local);
}
