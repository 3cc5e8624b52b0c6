/** Finds out whether a server is gone: by its id, and by the list. */
import { type Calls, orNull } from './calls.ts';
import { type NovaServer, SERVER, SERVERS } from './resources.ts';

/** Null: Nova answers that there is none, or shows a deleted one for a moment longer. */
export async function findServer(calls: Calls, id: string, signal: AbortSignal): Promise<NovaServer | null> {
  const found = calls.get('compute', `servers/${encodeURIComponent(id)}`, SERVER, signal);
  const server = (await orNull(found))?.server;
  return server === undefined || server.status === 'DELETED' ? null : server;
}

/**
 * As the port says. A list alone is no proof, because Nova leaves out the servers of a cell that is down; an answer to
 * one id alone is none either, because a proxy or a moved endpoint may answer 404 to everything.
 */
export async function whyGone(calls: Calls, id: string, signal: AbortSignal): Promise<string | null> {
  const found = await findServer(calls, id, signal);
  switch (found?.status) {
    case undefined:
      return (await isListed(calls, id, signal)) ? null : 'was deleted';
    case 'SOFT_DELETED':
      return 'was deleted';
    case 'SHUTOFF':
      return 'is shut off';
    default:
      return null;
  }
}

async function isListed(calls: Calls, id: string, signal: AbortSignal): Promise<boolean> {
  const all = await calls.all('compute', 'servers/detail', SERVERS, (one) => one.id, signal);
  return all.some((one) => one.id === id && one.status !== 'DELETED');
}
