/** `POST /servers` of the embedded Nova: validates in Nova's order, then creates the server. */
import { randomUUID } from 'node:crypto';
import type { CloudState, FlavorRecord, PortRecord, ServerRecord } from './cloud-state.ts';
import { computeError, items, members, textOf } from './reply.ts';

const MAX_USER_DATA_BYTES = 65_535;
const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

/** The fields that a request may contain, with the microversion that added each. */
const FIELDS: Readonly<Record<string, number>> = {
  name: 1,
  imageRef: 1,
  flavorRef: 1,
  adminPass: 1,
  metadata: 1,
  networks: 1,
  'OS-DCF:diskConfig': 1,
  availability_zone: 1,
  block_device_mapping_v2: 1,
  config_drive: 1,
  key_name: 1,
  min_count: 1,
  max_count: 1,
  security_groups: 1,
  user_data: 1,
  description: 19,
  tags: 52,
  host: 74,
  hostname: 90,
};

type Json = Readonly<Record<string, unknown>>;

/** Creates the server of the request and adds it to the state. `minor`: of the microversion 2.x. */
export function createServer(state: CloudState, body: Json, minor: number): ServerRecord {
  const wanted = members(body.server);
  checkFields(wanted, minor);
  const flavor = findFlavor(state, wanted.flavorRef);
  const disks = items(wanted.block_device_mapping_v2).map(members);
  const imageId = textOf(wanted.imageRef) ?? '';
  if (imageId !== '' || disks.length === 0) findImage(state, imageId);
  checkKey(state, wanted.key_name);
  checkZone(state, wanted.availability_zone);
  checkUserData(wanted.user_data);
  const groups = items(wanted.security_groups).map((group) => textOf(members(group).name) ?? '');
  for (const group of groups) findSecurityGroup(state, group);
  checkVolumes(state, disks);
  checkQuota(state, flavor);
  const ports = attachPorts(state, wanted.networks, groups);
  const server: ServerRecord = {
    id: randomUUID(),
    name: textOf(wanted.name) ?? '',
    created: state.nextTime(),
    keyName: textOf(wanted.key_name),
    imageId,
    flavor,
    metadata: { ...(members(wanted.metadata) as Record<string, string>) },
    tags: new Set(items(wanted.tags).map(String)),
    portIds: ports.map(({ id }) => id),
    userData: textOf(wanted.user_data),
    configDrive: wanted.config_drive === true,
    availabilityZone: textOf(wanted.availability_zone) ?? 'nova',
    schedulerHints: members(body['os:scheduler_hints'] ?? body['OS-SCH-HNT:scheduler_hints']),
    securityGroups: groups.length === 0 ? ['default'] : groups,
    projectId: state.projectId,
    status: 'BUILD',
    fault: null,
    deleting: false,
    reads: 0,
    guest: null,
    console: '',
  };
  for (const port of ports) port.deviceId = server.id;
  attachVolumes(state, disks, server);
  state.servers.set(server.id, server);
  return server;
}

function checkFields(wanted: Json, minor: number): void {
  const name = textOf(wanted.name);
  if (name === null || name === '') {
    throw invalid('name', wanted.name === undefined ? "'name' is a required property" : 'it is too short');
  }
  for (const field of Object.keys(wanted)) {
    const since = FIELDS[field];
    if (since === undefined || since > minor) {
      throw computeError(400, `Additional properties are not allowed ('${field}' was unexpected)`);
    }
  }
  for (const [key, value] of Object.entries(members(wanted.metadata))) {
    if (typeof value !== 'string') throw invalid(key, `${JSON.stringify(value)} is not of type 'string'`);
  }
  if (minor >= 37 && wanted.networks === undefined) {
    throw computeError(400, "Invalid input for field/attribute server. 'networks' is a required property");
  }
}

function invalid(field: string, why: string): Error {
  return computeError(400, `Invalid input for field/attribute ${field}. ${why}`);
}

function findFlavor(state: CloudState, ref: unknown): FlavorRecord {
  const flavor = state.flavors.find(({ id }) => id === ref || `${ref}`.endsWith(`/flavors/${id}`));
  if (flavor === undefined) throw computeError(400, 'Invalid flavorRef provided.');
  return flavor;
}

function findImage(state: CloudState, ref: string): void {
  const image = state.images.find(({ id }) => id === ref);
  if (image === undefined) throw computeError(400, 'Can not find requested image');
  if (image.status !== 'active') throw computeError(400, `Image ${ref} is not active.`);
}

function checkKey(state: CloudState, name: unknown): void {
  if (name === undefined || name === null || state.keyPairs.has(String(name))) return;
  throw computeError(400, 'Invalid key_name provided.');
}

function checkZone(state: CloudState, zone: unknown): void {
  if (zone === undefined || zone === null || state.availabilityZones.includes(String(zone))) return;
  throw computeError(400, 'The requested availability zone is not available');
}

function checkUserData(data: unknown): void {
  if (data === undefined || data === null) return;
  const text = String(data);
  if (text.length > MAX_USER_DATA_BYTES) throw invalid('user_data', 'it is too long');
  if (!BASE64.test(text)) throw invalid('user_data', "it is not a 'base64'");
}

function findSecurityGroup(state: CloudState, name: string): void {
  const known = [...state.securityGroups.values()].some((group) => group.name === name || group.id === name);
  if (known) return;
  throw computeError(400, `Security group ${name} not found for project ${state.projectId}.`);
}

function checkVolumes(state: CloudState, disks: readonly Json[]): void {
  for (const { source_type: source, uuid } of disks) {
    if (source !== 'volume') continue;
    const volume = state.volumes.get(String(uuid));
    if (volume === undefined) {
      throw computeError(400, `Block Device Mapping is Invalid: failed to get volume ${uuid}.`);
    }
    if (volume.status !== 'available') {
      throw computeError(400, `Invalid volume: volume ${uuid} status must be 'available'.`);
    }
  }
}

/** The servers, cores and memory in use. Deleted servers do not count. */
export function usage(state: CloudState): { instances: number; cores: number; ram: number } {
  const counted = [...state.servers.values()].filter(({ status }) => status !== 'DELETED');
  return {
    instances: counted.length,
    cores: counted.reduce((sum, { flavor }) => sum + flavor.vcpus, 0),
    ram: counted.reduce((sum, { flavor }) => sum + flavor.ram, 0),
  };
}

function checkQuota(state: CloudState, flavor: FlavorRecord): void {
  const used = usage(state);
  const requested = { instances: 1, cores: flavor.vcpus, ram: flavor.ram };
  const over = (['instances', 'cores', 'ram'] as const).filter(
    (kind) => used[kind] + requested[kind] > state.quotas[kind],
  );
  if (over.length === 0) return;
  const list = (numbers: typeof used) => over.map((kind) => numbers[kind]).join(', ');
  throw computeError(
    403,
    `Quota exceeded for ${over.join(', ')}: Requested ${list(requested)}, but already used ${list(used)} ` +
      `of ${list(state.quotas)} ${over.join(', ')}`,
  );
}

/** The given ports, and new ones in the given networks; `auto` takes the first network. */
function attachPorts(state: CloudState, wanted: unknown, groups: readonly string[]): readonly PortRecord[] {
  if (wanted === 'none') return [];
  const internal = state.networks.filter(({ external }) => !external);
  const requested = wanted === 'auto' || wanted === undefined ? [{ uuid: internal[0]?.id }] : items(wanted);
  const found = requested.map(members).map(({ uuid, port }) => {
    if (port !== undefined) return { port: findPort(state, String(port)), network: null };
    const network = state.networks.find(({ id }) => id === uuid);
    if (network === undefined) throw computeError(400, `Network ${uuid} could not be found.`);
    return { port: null, network };
  });
  const fresh = found.filter(({ port }) => port === null).length;
  if (state.ports.size + fresh > state.quotas.ports) {
    throw computeError(403, 'Maximum number of ports exceeded');
  }
  return found.flatMap(({ port, network }) => {
    if (port !== null) return [port];
    return network === null ? [] : [state.addPort(network, { ofNova: true, securityGroups: groups })];
  });
}

function findPort(state: CloudState, id: string): PortRecord {
  const port = state.ports.get(id);
  if (port === undefined) throw computeError(400, `Port id ${id} could not be found.`);
  if (port.deviceId !== '') throw computeError(409, `Port ${id} is still in use.`);
  return port;
}

function attachVolumes(state: CloudState, disks: readonly Json[], server: ServerRecord): void {
  for (const disk of disks) {
    const own = disk.delete_on_termination === true;
    if (disk.source_type === 'volume') {
      const volume = state.volumes.get(String(disk.uuid));
      if (volume === undefined) continue;
      volume.status = 'in-use';
      volume.serverId = server.id;
      volume.deleteWithServer = own;
    } else if (disk.source_type === 'image' && disk.destination_type === 'volume') {
      const id = randomUUID();
      state.volumes.set(id, {
        id,
        name: '',
        description: '',
        size: Number(disk.volume_size ?? 1),
        imageId: textOf(disk.uuid),
        metadata: {},
        created: state.nextTime(),
        status: 'in-use',
        serverId: server.id,
        deleteWithServer: own,
      });
    }
  }
}
