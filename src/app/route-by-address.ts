/**
 * Routes each request to the adapter for its server: local, or a node over SSH. The server's address decides, so this also
 * works for a provider that is no longer configured.
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
    start: (request, ...how) => route(request.run.server).start(request, ...how),
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
