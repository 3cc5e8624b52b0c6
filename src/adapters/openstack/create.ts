/**
 * Creates a key pair, ports, a floating IP, a volume and a server. The call that creates a resource also marks it,
 * so that each is found after a crash between any two calls. No call is repeated: if the answer to the creation of a
 * server is lost, the server is looked up by its mark.
 */
import type { OpenStackProviderConfig } from '../../config/config.ts';
import { OperationError } from '../../errors.ts';
import type { Calls } from './calls.ts';
import { markedServers } from './inventory.ts';
import {
  FLAVOR_KEY,
  IMAGE_KEY,
  keyPairName,
  MARK_KEY,
  type Mark,
  markText,
  objectText,
  PROVIDER_KEY,
  serverTag,
} from './marks.ts';
import type { Plan } from './plan.ts';
import { CREATED_SERVER, FLOATING, KEY_PAIR, PORT, type Port, VOLUME } from './resources.ts';
import { CloudError } from './session/session.ts';
import { type Wait, type WaitStep, waitFor } from './wait.ts';

export interface CreatedServer {
  readonly id: string;
  /** The address for the login: the floating one, else that of the first port; null: the port has none yet. */
  readonly host: string | null;
  /** The first one. */
  readonly portId: string;
}

export async function createEverything(
  calls: Calls,
  config: OpenStackProviderConfig,
  plan: Plan,
  mark: Mark,
  publicKey: string,
  wait: Wait,
): Promise<CreatedServer> {
  const { signal } = wait;
  if (config.keyPair === null) await createKeyPair(calls, mark, publicKey, signal);
  const ports: Port[] = [];
  for (const network of plan.networks) ports.push(await createPort(calls, network, plan, mark, signal));
  const floating = await createFloating(calls, plan, ports, mark, signal);
  const volume = await createVolume(calls, config, plan, mark, wait);
  const id = await createServer(calls, createRequest(config, plan, mark, ports, volume), mark, signal);
  const [port] = ports;
  return { id, host: floating ?? port?.fixed_ips[0]?.ip_address ?? null, portId: port?.id ?? '' };
}

/** The address for the login. In a routed network the first port has none until the server has a hypervisor. */
export async function loginHost(
  calls: Calls,
  { host, portId }: CreatedServer,
  signal: AbortSignal,
): Promise<string> {
  if (host !== null) return host;
  const [address] = (await calls.get('network', `ports/${portId}`, PORT, signal)).port.fixed_ips;
  if (address !== undefined) return address.ip_address;
  throw new OperationError({
    operation: 'create server',
    target: portId,
    message: 'the port has no address although the server is ACTIVE',
    retryable: false,
    hint: `check that its network has a subnet: openstack port show ${portId}`,
  });
}

async function createKeyPair(
  calls: Calls,
  mark: Mark,
  publicKey: string,
  signal: AbortSignal,
): Promise<void> {
  const keypair = { name: keyPairName(mark), public_key: publicKey };
  try {
    await calls.post('compute', 'os-keypairs', { keypair }, KEY_PAIR, signal);
  } catch (error) {
    // The name is the mark, so the existing key pair was created for this server.
    if (!(error instanceof CloudError) || error.kind !== 'conflict') throw error;
  }
}

async function createPort(
  calls: Calls,
  { id, filtered }: Plan['networks'][number],
  { groups }: Plan,
  mark: Mark,
  signal: AbortSignal,
): Promise<Port> {
  // A network without port security refuses security groups.
  const chosen = filtered && groups.length > 0 ? { security_groups: groups.map((group) => group.id) } : {};
  const port = { network_id: id, name: mark.name, description: markText(mark), ...chosen };
  return (await calls.post('network', 'ports', { port }, PORT, signal)).port;
}

async function createFloating(
  calls: Calls,
  { floatingNetworkId }: Plan,
  [port]: readonly Port[],
  mark: Mark,
  signal: AbortSignal,
): Promise<string | null> {
  if (floatingNetworkId === null || port === undefined) return null;
  const floatingip = {
    floating_network_id: floatingNetworkId,
    port_id: port.id,
    description: markText(mark),
  };
  const created = await calls.post('network', 'floatingips', { floatingip }, FLOATING, signal);
  return created.floatingip.floating_ip_address;
}

/** Resolves to its id when Nova can boot from it; null: the server boots from the disk of its flavor. */
async function createVolume(
  calls: Calls,
  { bootVolumeGb }: OpenStackProviderConfig,
  { image }: Plan,
  mark: Mark,
  wait: Wait,
): Promise<string | null> {
  if (bootVolumeGb === null) return null;
  const metadata = { [MARK_KEY]: markText(mark) };
  const volume = { name: mark.name, size: bootVolumeGb, imageRef: image.id, metadata };
  const { id } = (await calls.post('volume', 'volumes', { volume }, VOLUME, wait.signal)).volume;
  const check = async (): Promise<WaitStep<string>> => {
    const { status } = (await calls.get('volume', `volumes/${id}`, VOLUME, wait.signal)).volume;
    const hint = 'check the log of cinder-volume';
    if (status === 'available') return { done: id };
    if (status !== 'error') return { waiting: `the volume ${id} is ${status}`, hint };
    const message = 'the image could not be copied to the boot volume';
    throw new OperationError({
      operation: 'create volume',
      target: mark.name,
      message,
      retryable: true,
      hint,
    });
  };
  return waitFor(wait, check);
}

function createRequest(
  { name: provider, availabilityZone, configDrive, keyPair, schedulerHints }: OpenStackProviderConfig,
  { image, flavor, userData }: Plan,
  mark: Mark,
  ports: readonly Port[],
  volume: string | null,
): object {
  const disk = {
    boot_index: 0,
    uuid: volume,
    source_type: 'volume',
    destination_type: 'volume',
    delete_on_termination: true,
  };
  const server = {
    name: mark.name,
    flavorRef: flavor.id,
    ...(volume === null ? { imageRef: image.id } : { block_device_mapping_v2: [disk] }),
    networks: ports.map(({ id }) => ({ port: id })),
    key_name: keyPair ?? keyPairName(mark),
    metadata: {
      [MARK_KEY]: markText(mark),
      [PROVIDER_KEY]: provider,
      [IMAGE_KEY]: objectText(image),
      [FLAVOR_KEY]: objectText(flavor),
    },
    tags: [serverTag(mark.deployment)],
    ...(configDrive ? { config_drive: true } : {}),
    ...(availabilityZone === null ? {} : { availability_zone: availabilityZone }),
    ...(userData === null ? {} : { user_data: userData }),
  };
  return Object.keys(schedulerHints).length === 0
    ? { server }
    : { server, 'os:scheduler_hints': schedulerHints };
}

/** Resolves to the server's id, even if the server was created and the answer was lost. */
async function createServer(calls: Calls, body: object, mark: Mark, signal: AbortSignal): Promise<string> {
  try {
    return (await calls.post('compute', 'servers', body, CREATED_SERVER, signal)).server.id;
  } catch (error) {
    if (!(error instanceof CloudError) || !error.mayHaveHappened) throw error;
    const existing = await markedServers(calls, mark.deployment, signal);
    const created = existing.find((found) => markText(found.mark) === markText(mark));
    if (created === undefined) throw error;
    return created.item.id;
  }
}
