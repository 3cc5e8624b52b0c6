/**
 * Removes everything of ours that belongs to one server name: the servers first, because a port, volume or key pair is
 * not removed from under a server that still starts.
 */
import { OperationError } from '../../errors.ts';
import { type Calls, orNull } from './calls.ts';
import type { Belongings } from './inventory.ts';
import { SERVER, VOLUME } from './resources.ts';
import { CloudError } from './session/session.ts';
import { type Look, type Wait, waitFor } from './wait.ts';

export async function removeBelongings(
  calls: Calls,
  { servers, floatings, ports, volumes, keyPairs }: Belongings,
  wait: Wait,
): Promise<void> {
  const { signal } = wait;
  for (const { id } of servers) await calls.delete('compute', `servers/${id}`, signal);
  for (const { id } of servers) await waitFor(wait, () => goneServer(calls, id, signal));
  for (const { id } of floatings) await calls.delete('network', `floatingips/${id}`, signal);
  for (const { id } of ports) await calls.delete('network', `ports/${id}`, signal);
  for (const { id } of volumes) await waitFor(wait, () => goneVolume(calls, id, wait));
  for (const name of keyPairs)
    await calls.delete('compute', `os-keypairs/${encodeURIComponent(name)}`, signal);
}

async function goneServer(calls: Calls, id: string, signal: AbortSignal): Promise<Look<true>> {
  const found = await orNull(calls.get('compute', `servers/${id}`, SERVER, signal));
  if (found === null || found.server.status === 'DELETED') return { done: true };
  const { status } = found.server;
  // Nova keeps a deleted server for a while, where the operator of the cloud wants that.
  if (status === 'SOFT_DELETED') await calls.act(`servers/${id}/action`, { forceDelete: null }, signal);
  return {
    waiting: `the server ${id} is ${status}`,
    hint: 'look in the log of nova-compute why it does not end',
  };
}

/** Nova deletes the volume with the server. It cannot be deleted while it is being filled, or still attached. */
async function goneVolume(calls: Calls, id: string, { target, signal }: Wait): Promise<Look<true>> {
  const found = await orNull(calls.get('volume', `volumes/${id}`, VOLUME, signal));
  if (found === null) return { done: true };
  const { status } = found.volume;
  const hint = `look in the log of cinder-volume, or: openstack volume show ${id}`;
  if (status === 'error_deleting') {
    const message = `Cinder could not delete the volume ${id}`;
    throw new OperationError({ operation: 'delete volume', target, message, retryable: true, hint });
  }
  const waiting = { waiting: `the volume ${id} is ${status}`, hint };
  if (status !== 'available' && status !== 'error') return waiting;
  try {
    await calls.delete('volume', `volumes/${id}`, signal);
    return waiting;
  } catch (error) {
    // Nova's own deletion was faster, or another state follows.
    if (error instanceof CloudError && error.kind === 'bad-request') return { waiting: error.message, hint };
    throw error;
  }
}
