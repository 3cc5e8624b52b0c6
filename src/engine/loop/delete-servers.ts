/** Deletes servers until none of them is listed any more. */
import { OperationError } from '../../errors.ts';
import type { OwnedServer, Provider } from '../ports/adapters.ts';

/**
 * A create call whose answer was lost may add a server between two lists, so one round is not enough. Resolves to the
 * number of deleted servers. @throws OperationError when some are still listed after `rounds` rounds
 */
export async function deleteServers(
  list: () => Promise<readonly OwnedServer[]>,
  remove: (one: OwnedServer) => ReturnType<Provider['delete']>,
  rounds: number,
): Promise<number> {
  let deleted = 0;
  let names = '';
  for (let round = 0; round < rounds; round += 1) {
    const left = await list();
    if (left.length === 0) return deleted;
    for (const one of left) await remove(one);
    deleted += left.length;
    names = left.map(({ server }) => server.name).join(', ');
  }
  throw new OperationError({
    operation: 'delete server',
    target: names,
    message: `still listed after ${rounds} deletions`,
    retryable: true,
    hint: 'delete them with the tools of the provider',
  });
}
