/**
 * Nova of the embedded OpenStack: servers, key pairs, flavors, limits, zones. The state of a server advances with
 * each read, not with time: BUILD, then ACTIVE without addresses, then ACTIVE with addresses. A deleted one is shown
 * once more.
 */
import type { CloudState, ServerRecord } from './cloud-state.ts';
import { createServer, usage } from './compute-create.ts';
import type { Guests } from './guest.ts';
import { type ApiCall, type ApiReply, computeError, items, members, textOf } from './reply.ts';
import { serverView } from './server-view.ts';

const MIN_MINOR = 1;
const DEFAULT_LIMIT = 1000;

export interface ComputeOptions {
  /** The newest microversion: 2.x. */
  readonly maxMinor: number;
  readonly guests: Guests | null;
  /** The URL of the compute service, for links. */
  readonly url: () => string;
}

interface Context extends ComputeOptions {
  readonly state: CloudState;
  readonly call: ApiCall;
  readonly minor: number;
}

export async function answerCompute(
  state: CloudState,
  options: ComputeOptions,
  call: ApiCall,
): Promise<ApiReply> {
  const minor = microversion(call.headers['openstack-api-version'], options.maxMinor);
  const context: Context = { ...options, state, call, minor };
  const reply = await route(context);
  const version = `2.${minor}`;
  const headers = { 'openstack-api-version': `compute ${version}`, 'x-openstack-nova-api-version': version };
  return { ...reply, headers: { ...headers, ...reply.headers } };
}

function microversion(header: string | undefined, maxMinor: number): number {
  if (header === undefined) return MIN_MINOR;
  const requested = /^compute (.*)$/.exec(header)?.[1];
  if (requested === undefined) return MIN_MINOR;
  if (requested === 'latest') return maxMinor;
  const [, major = '', minor = ''] = /^([1-9]\d*)\.(\d+)$/.exec(requested) ?? [];
  if (major === '') {
    throw computeError(
      400,
      `API Version String ${requested} is of invalid format. Must be of format MajorNum.MinorNum.`,
    );
  }
  if (major !== '2' || Number(minor) < MIN_MINOR || Number(minor) > maxMinor) {
    throw computeError(
      406,
      `Version ${requested} is not supported by the API. Minimum is 2.1 and maximum is 2.${maxMinor}.`,
    );
  }
  return Number(minor);
}

function route(context: Context): ApiReply | Promise<ApiReply> {
  const { state, call } = context;
  const [collection, id, below, key] = call.segments;
  const operation = `${call.method} ${collection}${id === undefined ? '' : '/ID'}`;
  if (collection === 'servers') {
    if (call.method === 'POST' && id === undefined) return create(context);
    if (call.method === 'GET' && (id === undefined || id === 'detail')) return list(context, id === 'detail');
    const server = readServer(context, id ?? '');
    if (below === undefined && call.method === 'GET')
      return { status: 200, body: { server: view(context, server) } };
    if (below === undefined && call.method === 'DELETE') return remove(context, server);
    if (below === 'action' && call.method === 'POST') return act(server, members(call.body));
    if (below === 'tags') return tag(context, server, key);
    if (below === 'metadata' && call.method === 'POST') {
      Object.assign(server.metadata, members(members(call.body).metadata));
      return { status: 200, body: { metadata: server.metadata } };
    }
    if (below === 'os-interface' && call.method === 'GET') {
      return { status: 200, body: { interfaceAttachments: interfaces(state, server) } };
    }
    if (below === 'os-volume_attachments' && call.method === 'GET') {
      return { status: 200, body: { volumeAttachments: attachments(state, server) } };
    }
  }
  if (collection === 'os-keypairs') return keyPairs(context, id);
  if (operation === 'GET flavors' || (call.method === 'GET' && call.path === 'flavors/detail')) {
    return { status: 200, body: { flavors: state.flavors } };
  }
  if (operation === 'GET flavors/ID') {
    const flavor = state.flavors.find((known) => known.id === id);
    if (flavor === undefined) throw computeError(404, `Flavor ${id} could not be found.`);
    return { status: 200, body: { flavor } };
  }
  if (operation === 'GET limits') return { status: 200, body: { limits: limits(state) } };
  if (operation === 'GET os-availability-zone') {
    const zones = state.availabilityZones.map((zoneName) => ({
      zoneName,
      zoneState: { available: true },
      hosts: null,
    }));
    return { status: 200, body: { availabilityZoneInfo: zones } };
  }
  throw computeError(404, 'The resource could not be found.');
}

function create({ state, call, minor, guests, url }: Context): ApiReply {
  const server = createServer(state, members(call.body), minor);
  if (guests !== null) {
    const key = state.keyPairs.get(server.keyName ?? '')?.publicKey ?? null;
    const fixed = server.portIds.map((id) => state.ports.get(id)?.address ?? '');
    const floating = [...state.floating.values()].filter(({ portId }) =>
      server.portIds.includes(portId ?? ''),
    );
    const addresses = [...fixed, ...floating.map(({ address }) => address)];
    const { id, name, userData } = server;
    server.guest = guests.boot({ id, name, addresses, key, userData });
    // `advance` sets the server to ERROR.
    server.guest.catch(() => undefined);
  }
  const location = `${url()}/servers/${server.id}`;
  const links = [{ rel: 'self', href: location }];
  return {
    status: 202,
    headers: { location },
    body: {
      server: {
        id: server.id,
        links,
        'OS-DCF:diskConfig': 'MANUAL',
        security_groups: server.securityGroups.map((name) => ({ name })),
        adminPass: 'x7Qp2fLr9cVb',
      },
    },
  };
}

/** Returns the server with this id and advances its state. @throws ApiError 404 */
function readServer({ state, guests }: Context, id: string): ServerRecord {
  const server = state.servers.get(id);
  if (server !== undefined) advance(state, guests, server);
  if (server === undefined || !state.servers.has(id)) {
    throw computeError(404, `Instance ${id} could not be found.`);
  }
  return server;
}

function advance(state: CloudState, guests: Guests | null, server: ServerRecord): void {
  server.reads += 1;
  if (server.deleting) {
    server.status = 'DELETED';
    if (server.reads > 1) state.servers.delete(server.id);
    return;
  }
  if (server.status !== 'BUILD' || server.reads <= state.buildReads) return;
  server.status = 'ACTIVE';
  const { guest } = server;
  if (guest === null || guests === null) return;
  guest.catch((error: unknown) => {
    server.status = 'ERROR';
    server.fault = { code: 500, message: String(error) };
  });
}

function view({ state, minor, url }: Context, server: ServerRecord): unknown {
  return serverView(state, server, minor, url());
}

function list(context: Context, detail: boolean): ApiReply {
  const { state, call, minor, url } = context;
  const { query } = call;
  const pattern = query.get('name');
  const status = query.get('status');
  const tags = minor >= 26 ? (query.get('tags')?.split(',') ?? []) : [];
  // Nova filters by metadata only for administrators.
  const found = [...state.servers.values()]
    .reverse()
    .filter((server) => pattern === null || new RegExp(pattern).test(server.name))
    .filter((server) => tags.every((tagged) => server.tags.has(tagged)))
    .filter((server) => server.projectId === state.projectId);
  for (const server of found) advance(state, context.guests, server);
  const alive = found.filter((server) => !server.deleting);
  const matching = alive.filter((server) => status === null || server.status === status);
  const marker = query.get('marker');
  const from = marker === null ? 0 : matching.findIndex(({ id }) => id === marker) + 1;
  if (marker !== null && from === 0) throw computeError(400, `marker [${marker}] not found`);
  const limit = Math.min(Number(query.get('limit') ?? DEFAULT_LIMIT), state.maxPage);
  const page = matching.slice(from, from + limit);
  const last = page.at(-1);
  const more = last !== undefined && page.length === limit;
  const next = new URLSearchParams(query);
  next.set('marker', last?.id ?? '');
  const href = `${url()}/${call.path}?${next}`;
  const short = (server: ServerRecord) => ({ id: server.id, name: server.name, links: [] });
  return {
    status: 200,
    body: {
      servers: page.map((server) => (detail ? view(context, server) : short(server))),
      ...(more ? { servers_links: [{ rel: 'next', href }] } : {}),
    },
  };
}

function remove({ state, guests }: Context, server: ServerRecord): ApiReply {
  if (!server.deleting) removeServer(state, guests, server);
  return { status: 204 };
}

/** Starts to delete a server with its guest, `deleteWithServer` volumes and Nova's own ports. A given port stays. */
function removeServer(state: CloudState, guests: Guests | null, server: ServerRecord): void {
  server.deleting = true;
  server.reads = 0;
  if (guests !== null) void guests.end(server.id);
  for (const port of state.ports.values()) {
    if (port.deviceId !== server.id) continue;
    port.deviceId = '';
    if (!port.ofNova) continue;
    for (const floating of state.floating.values()) if (floating.portId === port.id) floating.portId = null;
    state.ports.delete(port.id);
  }
  for (const volume of state.volumes.values()) {
    if (volume.serverId !== server.id) continue;
    volume.serverId = null;
    volume.status = 'available';
    if (volume.deleteWithServer) state.volumes.delete(volume.id);
  }
}

async function act(server: ServerRecord, body: Readonly<Record<string, unknown>>): Promise<ApiReply> {
  const wanted = body['os-getConsoleOutput'];
  if (wanted === undefined) throw computeError(400, 'There is no such action');
  if (server.status !== 'ACTIVE') {
    throw computeError(409, `Instance ${server.id} is not ready`);
  }
  const guest = await server.guest;
  const lines = `${server.console}${guest?.console() ?? ''}`.split('\n');
  const length = Number(members(wanted).length ?? lines.length);
  return { status: 200, body: { output: lines.slice(-length - 1).join('\n') } };
}

function tag({ call, minor }: Context, server: ServerRecord, key: string | undefined): ApiReply {
  if (minor < 26) throw computeError(404, 'The resource could not be found.');
  if (call.method === 'PUT' && key !== undefined) {
    server.tags.add(key);
    return { status: 201 };
  }
  if (call.method === 'PUT') {
    server.tags.clear();
    for (const name of items(members(call.body).tags)) server.tags.add(String(name));
  }
  return { status: 200, body: { tags: [...server.tags] } };
}

function interfaces(state: CloudState, server: ServerRecord): readonly unknown[] {
  return [...state.ports.values()]
    .filter(({ deviceId }) => deviceId === server.id)
    .map((port) => ({
      port_id: port.id,
      net_id: port.networkId,
      port_state: 'ACTIVE',
      fixed_ips: [{ ip_address: port.address }],
    }));
}

function attachments(state: CloudState, server: ServerRecord): readonly unknown[] {
  return [...state.volumes.values()]
    .filter(({ serverId }) => serverId === server.id)
    .map(({ id, deleteWithServer }) => ({
      id,
      volumeId: id,
      serverId: server.id,
      delete_on_termination: deleteWithServer,
    }));
}

function keyPairs({ state, call, minor }: Context, name: string | undefined): ApiReply {
  const { method } = call;
  const show = (pair: { name: string; publicKey: string; created: string }) => ({
    name: pair.name,
    public_key: pair.publicKey,
    fingerprint: '00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff',
    user_id: state.userId,
    created_at: pair.created,
    ...(minor >= 2 ? { type: 'ssh' } : {}),
  });
  if (name === undefined && method === 'GET') {
    return {
      status: 200,
      body: { keypairs: [...state.keyPairs.values()].map((keypair) => ({ keypair: show(keypair) })) },
    };
  }
  if (name === undefined && method === 'POST') {
    const wanted = members(members(call.body).keypair);
    const [called, publicKey] = [textOf(wanted.name) ?? '', textOf(wanted.public_key)];
    if (called === '' || publicKey === null) throw computeError(400, 'Keypair data is invalid');
    if (state.keyPairs.has(called)) throw computeError(409, `Key pair '${called}' already exists.`);
    if (state.keyPairs.size >= state.quotas.keyPairs) {
      throw computeError(403, 'Quota exceeded, too many key pairs.');
    }
    const pair = { name: called, publicKey, created: state.nextTime() };
    state.keyPairs.set(called, pair);
    return { status: minor >= 2 ? 201 : 200, body: { keypair: show(pair) } };
  }
  const pair = state.keyPairs.get(decodeURIComponent(name ?? ''));
  if (pair === undefined) throw computeError(404, `Keypair ${name} not found for user ${state.userId}`);
  if (method === 'GET') return { status: 200, body: { keypair: show(pair) } };
  state.keyPairs.delete(pair.name);
  return { status: minor >= 2 ? 204 : 202 };
}

function limits(state: CloudState): unknown {
  const used = usage(state);
  return {
    rate: [],
    absolute: {
      maxTotalInstances: state.quotas.instances,
      maxTotalCores: state.quotas.cores,
      maxTotalRAMSize: state.quotas.ram,
      maxTotalKeypairs: state.quotas.keyPairs,
      maxServerMeta: 128,
      totalInstancesUsed: used.instances,
      totalCoresUsed: used.cores,
      totalRAMUsed: used.ram,
    },
  };
}
