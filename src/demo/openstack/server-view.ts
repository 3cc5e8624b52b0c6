/** The JSON of a server in the embedded Nova, with the additions of each microversion. */
import type { CloudState, ServerRecord } from './cloud-state.ts';

/** `addresses` is filled one read after the state became ACTIVE. */
export function serverView(state: CloudState, server: ServerRecord, minor: number, url: string): unknown {
  const { flavor } = server;
  const shown = server.status === 'ACTIVE' && server.reads > state.buildReads + 1;
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    tenant_id: server.projectId,
    user_id: state.userId,
    metadata: server.metadata,
    hostId: '',
    image: server.imageId === '' ? '' : { id: server.imageId, links: [] },
    flavor:
      minor >= 47
        ? { original_name: flavor.name, vcpus: flavor.vcpus, ram: flavor.ram, disk: flavor.disk }
        : { id: flavor.id, links: [] },
    created: server.created,
    updated: server.created,
    addresses: shown ? addresses(state, server) : {},
    accessIPv4: '',
    accessIPv6: '',
    links: [{ rel: 'self', href: `${url}/servers/${server.id}` }],
    'OS-DCF:diskConfig': 'MANUAL',
    ...(server.status === 'ACTIVE' ? { progress: 0 } : {}),
    'OS-EXT-AZ:availability_zone': server.status === 'BUILD' ? '' : server.availabilityZone,
    config_drive: server.configDrive ? 'True' : '',
    key_name: server.keyName,
    'OS-EXT-STS:task_state': taskState(server),
    'OS-EXT-STS:vm_state': server.status === 'BUILD' ? 'building' : server.status.toLowerCase(),
    'OS-EXT-STS:power_state': server.status === 'ACTIVE' ? 1 : 0,
    'os-extended-volumes:volumes_attached': volumes(state, server, minor),
    security_groups: server.securityGroups.map((name) => ({ name })),
    ...(server.fault === null ? {} : { fault: { ...server.fault, created: server.created } }),
    ...(minor >= 26 ? { tags: [...server.tags] } : {}),
  };
}

function taskState(server: ServerRecord): string | null {
  if (server.deleting) return 'deleting';
  return server.status === 'BUILD' ? 'spawning' : null;
}

function addresses(state: CloudState, server: ServerRecord): Record<string, unknown[]> {
  const found: Record<string, unknown[]> = {};
  for (const id of server.portIds) {
    const port = state.ports.get(id);
    const network = state.networks.find((known) => known.id === port?.networkId);
    if (port === undefined || network === undefined) continue;
    const entry = (addr: string, type: 'fixed' | 'floating') => ({
      version: 4,
      addr,
      'OS-EXT-IPS:type': type,
      'OS-EXT-IPS-MAC:mac_addr': 'fa:16:3e:00:00:01',
    });
    const floating = [...state.floating.values()].filter(({ portId }) => portId === id);
    const list = found[network.name] ?? [];
    found[network.name] = list;
    list.push(entry(port.address, 'fixed'), ...floating.map(({ address }) => entry(address, 'floating')));
  }
  return found;
}

function volumes(state: CloudState, server: ServerRecord, minor: number): readonly unknown[] {
  return [...state.volumes.values()]
    .filter(({ serverId }) => serverId === server.id)
    .map(({ id, deleteWithServer }) =>
      minor >= 3 ? { id, delete_on_termination: deleteWithServer } : { id },
    );
}
