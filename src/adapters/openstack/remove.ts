/**
 * Removes all our resources with one server name: the servers first, because a port, volume or key pair must not be
 * removed while its server still starts.
 */
import { OperationError } from '../../errors.ts';
import { type Calls, orNull } from './calls.ts';
import type { ServerResources } from './inventory.ts';
import { SERVER, VOLUME } from './resources.ts';
import { CloudError } from './session/session.ts';
import { type Wait, type WaitStep, waitFor } from './wait.ts';

export async function removeResources(
  calls: Calls,
  { servers, floatings, ports, volumes, keyPairs }: ServerResources,
  wait: Wait,
): Promise<void> {
  const { signal } = wait;
  for (const { id } of servers) await calls.delete('compute', `servers/${id}`, signal);
  for (const { id } of servers) await waitFor(wait, () => removedServer(calls, id, signal));
  for (const { id } of floatings) await calls.delete('network', `floatingips/${id}`, signal);
  for (const { id } of ports) await calls.delete('network', `ports/${id}`, signal);
  for (const { id } of volumes) await waitFor(wait, () => removedVolume(calls, id, wait));
  for (const name of keyPairs)
    await calls.delete('compute', `os-keypairs/${encodeURIComponent(name)}`, signal);
}

async function removedServer(calls: Calls, id: string, signal: AbortSignal): Promise<WaitStep<true>> {
  const found = await orNull(calls.get('compute', `servers/${id}`, SERVER, signal));
  if (found === null || found.server.status === 'DELETED') return { done: true };
  const { status } = found.server;
  // Nova keeps a deleted server for a while if the cloud is configured for soft deletion.
  if (status === 'SOFT_DELETED') await calls.act(`servers/${id}/action`, { forceDelete: null }, signal);
  return {
    waiting: `the server ${id} is ${status}`,
    hint: 'check the log of nova-compute for why it is not deleted',
  };
}

/** Nova deletes the volume with the server. It cannot be deleted while it is being filled, or still attached. */
async function removedVolume(calls: Calls, id: string, { target, signal }: Wait): Promise<WaitStep<true>> {
  const found = await orNull(calls.get('volume', `volumes/${id}`, VOLUME, signal));
  if (found === null) return { done: true };
  const { status } = found.volume;
  const hint = `check the log of cinder-volume, or: openstack volume show ${id}`;
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
    // Nova deleted it first, or its state is still changing.
    if (error instanceof CloudError && error.kind === 'bad-request') return { waiting: error.message, hint };
    throw error;
  }
}
