/** Computes how many more servers the project's quotas allow. */
import type { OpenStackProviderConfig } from '../../config/config.ts';
import type { Calls } from './calls.ts';
import { COMPUTE_LIMITS, type Flavor, NETWORK_QUOTA, VOLUME_LIMITS } from './resources.ts';
import { CloudError } from './session/session.ts';

export interface Headroom {
  /** Infinity: no quota limits them. */
  readonly servers: number;
  /** The quota that limits them: `cores: 18 of 20 used`; empty without one. */
  readonly limitedBy: string;
}

interface Quota {
  readonly name: string;
  /** -1: no limit. */
  readonly limit: number;
  readonly used: number;
  /** The need of one server. */
  readonly need: number;
}

/** A service that does not show its quotas to this user counts as unlimited. */
export async function readHeadroom(
  calls: Calls,
  { networks, floatingNetwork, bootVolumeGb }: OpenStackProviderConfig,
  { vcpus, ram }: Flavor,
  signal: AbortSignal,
): Promise<Headroom> {
  const { projectId } = await calls.session.login(signal);
  const details = `quotas/${encodeURIComponent(projectId)}/details.json`;
  const [compute, network, volume] = await Promise.all([
    orHidden(calls.get('compute', 'limits', COMPUTE_LIMITS, signal)),
    orHidden(calls.get('network', details, NETWORK_QUOTA, signal)),
    bootVolumeGb === null ? null : orHidden(calls.get('volume', 'limits', VOLUME_LIMITS, signal)),
  ]);
  const quotas: Quota[] = [];
  const add = (name: string, limit: number, used: number, need: number) =>
    quotas.push({ name, limit, used, need });
  if (compute !== null) {
    const { absolute } = compute.limits;
    add('instances', absolute.maxTotalInstances, absolute.totalInstancesUsed, 1);
    add('cores', absolute.maxTotalCores, absolute.totalCoresUsed, vcpus);
    add('MB of RAM', absolute.maxTotalRAMSize, absolute.totalRAMUsed, ram);
  }
  if (network !== null) {
    const { port, floatingip } = network.quota;
    add('ports', port.limit, port.used + port.reserved, networks.length);
    const floating = floatingNetwork === null ? 0 : 1;
    add('floating IPs', floatingip.limit, floatingip.used + floatingip.reserved, floating);
  }
  if (volume !== null) {
    const { absolute } = volume.limits;
    add('volumes', absolute.maxTotalVolumes, absolute.totalVolumesUsed, 1);
    add('GB of volumes', absolute.maxTotalVolumeGigabytes, absolute.totalGigabytesUsed, bootVolumeGb ?? 0);
  }
  return smallest(quotas);
}

function smallest(quotas: readonly Quota[]): Headroom {
  let headroom: Headroom = { servers: Number.POSITIVE_INFINITY, limitedBy: '' };
  for (const { name, limit, used, need } of quotas) {
    if (limit < 0 || need <= 0) continue;
    const servers = Math.max(0, Math.floor((limit - used) / need));
    if (servers < headroom.servers) headroom = { servers, limitedBy: `${name}: ${used} of ${limit} used` };
  }
  return headroom;
}

async function orHidden<T>(quotas: Promise<T>): Promise<T | null> {
  try {
    return await quotas;
  } catch (error) {
    if (error instanceof CloudError && !error.retryable) return null;
    throw error;
  }
}
