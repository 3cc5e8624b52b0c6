/** Neutron of the embedded OpenStack: networks, ports, floating IPs, security groups, tags, quotas. */
import { randomUUID } from 'node:crypto';
import type {
  CloudState,
  FloatingRecord,
  NetworkRecord,
  PortRecord,
  SecurityGroupRecord,
} from './cloud-state.ts';
import { type ApiCall, type ApiReply, items, members, networkError, textOf } from './reply.ts';

export interface NetworkOptions {
  /** False: there is no L3 plugin, and floating IPs are unknown. */
  readonly router: boolean;
  readonly url: () => string;
}

interface Context extends NetworkOptions {
  readonly state: CloudState;
  readonly call: ApiCall;
}

type Json = Readonly<Record<string, unknown>>;

/** Query parameters that are valid besides the resource's attributes; any other is an error. */
const PARAMETERS = ['fields', 'limit', 'marker', 'sort_key', 'sort_dir', 'tags', 'tags-any', 'not-tags'];

export function answerNetwork(state: CloudState, options: NetworkOptions, call: ApiCall): ApiReply {
  const context: Context = { ...options, state, call };
  const [collection = '', id, below] = call.segments;
  if (below === 'tags') return tags(context, collection, id ?? '');
  switch (collection) {
    case 'networks':
      return networks(context, id);
    case 'subnets':
      return listed(context, 'subnets', state.networks.map(subnetView));
    case 'extensions':
      return { status: 200, body: { extensions: extensions(options.router) } };
    case 'ports':
      return ports(context, id);
    case 'floatingips':
      if (!options.router) break;
      return floatingAddresses(context, id);
    case 'security-groups':
      return securityGroups(context, id);
    case 'security-group-rules':
      return addRule(context);
    case 'quotas':
      return quotas(context, below);
  }
  throw networkError(404, 'HTTPNotFound', 'The resource could not be found.');
}

function notFound(kind: string, id: string): Error {
  return networkError(404, `${kind}NotFound`, `${kind} ${id} could not be found.`);
}

function unknownMethod(): Error {
  return networkError(405, 'HTTPMethodNotAllowed', 'The method is not allowed for the requested URL.');
}

/** One page of a collection, filtered like Neutron: several values of one field mean OR, several tags AND. */
function listed({ state, call, url }: Context, name: string, all: readonly Json[]): ApiReply {
  const { query } = call;
  const fields = Object.keys(all[0] ?? {});
  const unknown = [...query.keys()].find(
    (key) => all.length > 0 && !fields.includes(key) && !PARAMETERS.includes(key),
  );
  if (unknown !== undefined) {
    throw networkError(400, 'HTTPBadRequest', `['${unknown}'] is invalid attribute for filtering`);
  }
  const tagged = (key: string) => query.get(key)?.split(',') ?? [];
  const has = (entry: Json, tag: string) => items(entry.tags).includes(tag);
  const matching = all
    .filter((entry) =>
      fields.every((key) => !query.has(key) || query.getAll(key).includes(String(entry[key]))),
    )
    .filter((entry) => tagged('tags').every((tag) => has(entry, tag)))
    .filter((entry) => !query.has('tags-any') || tagged('tags-any').some((tag) => has(entry, tag)))
    .filter((entry) => !query.has('not-tags') || !tagged('not-tags').every((tag) => has(entry, tag)));
  const marker = query.get('marker');
  const from = marker === null ? 0 : matching.findIndex(({ id }) => id === marker) + 1;
  const limit = Math.min(Number(query.get('limit') ?? Number.POSITIVE_INFINITY), state.maxPage);
  const page = matching.slice(from, from + limit);
  const next = new URLSearchParams(query);
  next.set('marker', String(page.at(-1)?.id));
  const more = page.length > 0 && page.length === limit;
  const wanted = query.getAll('fields');
  const shown = page.map((entry) =>
    wanted.length === 0
      ? entry
      : Object.fromEntries(Object.entries(entry).filter(([key]) => wanted.includes(key))),
  );
  const links = [{ rel: 'next', href: `${url()}/v2.0/${call.path}?${next}` }];
  return {
    status: 200,
    body: { [name.replace('-', '_')]: shown, ...(more ? { [`${name}_links`]: links } : {}) },
  };
}

function networks(context: Context, id: string | undefined): ApiReply {
  const { state, call } = context;
  const all = state.networks.map((network) => networkView(state, network));
  if (call.method !== 'GET') throw unknownMethod();
  if (id === undefined) return listed(context, 'networks', all);
  const network = all.find((known) => known.id === id);
  if (network === undefined) throw notFound('Network', id);
  return { status: 200, body: { network } };
}

function networkView(state: CloudState, { id, name, subnetId, external }: NetworkRecord) {
  return {
    id,
    name,
    status: 'ACTIVE',
    admin_state_up: true,
    'router:external': external,
    shared: true,
    project_id: state.otherProjectId,
    subnets: [subnetId],
    tags: [],
  };
}

function subnetView({ id, subnetId, name, prefix }: NetworkRecord) {
  const cidr = `${prefix}.0/24`;
  return {
    id: subnetId,
    name: `${name}-subnet`,
    network_id: id,
    ip_version: 4,
    cidr,
    gateway_ip: `${prefix}.1`,
  };
}

function extensions(router: boolean): readonly Json[] {
  const aliases = [
    'standard-attr-tag',
    'quota_details',
    'security-group',
    'port-security',
    'filter-validation',
  ];
  return [...aliases, ...(router ? ['router', 'external-net'] : [])].map((alias) => ({ alias, name: alias }));
}

function ports(context: Context, id: string | undefined): ApiReply {
  const { state, call } = context;
  const wanted = members(members(call.body).port);
  if (id === undefined && call.method === 'GET') {
    return listed(
      context,
      'ports',
      [...state.ports.values()].map((port) => portView(state, port)),
    );
  }
  if (id === undefined && call.method === 'POST') {
    const network = state.networks.find((known) => known.id === wanted.network_id);
    if (network === undefined) throw notFound('Network', String(wanted.network_id));
    if (state.ports.size >= state.quotas.ports) throw overQuota('port');
    // Neutron ignores tags in this request.
    const port = state.addPort(network, {
      name: textOf(wanted.name) ?? '',
      description: textOf(wanted.description) ?? '',
      securityGroups: items(wanted.security_groups).map(String),
    });
    return { status: 201, body: { port: portView(state, port) } };
  }
  const port = state.ports.get(id ?? '');
  if (port === undefined) throw notFound('Port', id ?? '');
  if (call.method === 'DELETE') {
    for (const floating of state.floating.values()) if (floating.portId === port.id) floating.portId = null;
    state.ports.delete(port.id);
    return { status: 204 };
  }
  if (call.method === 'PUT') {
    port.name = textOf(wanted.name) ?? port.name;
    port.description = textOf(wanted.description) ?? port.description;
  }
  return { status: 200, body: { port: portView(state, port) } };
}

function portView({ deferAddresses }: CloudState, port: PortRecord) {
  return {
    id: port.id,
    name: port.name,
    description: port.description,
    network_id: port.networkId,
    project_id: port.projectId,
    tenant_id: port.projectId,
    device_id: port.deviceId,
    device_owner: port.deviceId === '' ? '' : 'compute:nova',
    status: port.deviceId === '' ? 'DOWN' : 'ACTIVE',
    admin_state_up: true,
    mac_address: 'fa:16:3e:00:00:01',
    fixed_ips: deferAddresses && port.deviceId === '' ? [] : [{ ip_address: port.address }],
    security_groups: port.securityGroups,
    tags: [...port.tags],
  };
}

function floatingAddresses(context: Context, id: string | undefined): ApiReply {
  const { state, call } = context;
  const wanted = members(members(call.body).floatingip);
  const view = (floating: FloatingRecord) => floatingView(state, floating);
  if (id === undefined && call.method === 'GET') {
    return listed(context, 'floatingips', [...state.floating.values()].map(view));
  }
  if (id === undefined && call.method === 'POST') {
    const network = state.networks.find((known) => known.id === wanted.floating_network_id);
    if (network === undefined) throw notFound('Network', String(wanted.floating_network_id));
    if (!network.external) {
      throw networkError(
        400,
        'BadRequest',
        `Bad floatingip request: Network ${network.id} is not a valid external network.`,
      );
    }
    if (state.floating.size >= state.quotas.floatingAddresses) throw overQuota('floatingip');
    const port =
      wanted.port_id === undefined || wanted.port_id === null ? null : state.ports.get(`${wanted.port_id}`);
    if (port === undefined) throw notFound('Port', `${wanted.port_id}`);
    const floating: FloatingRecord = {
      id: randomUUID(),
      address: state.nextAddress(network),
      networkId: network.id,
      portId: null,
      description: textOf(wanted.description) ?? '',
      tags: new Set(),
    };
    if (port !== null) associate(context, floating, port);
    state.floating.set(floating.id, floating);
    return { status: 201, body: { floatingip: view(floating) } };
  }
  const floating = state.floating.get(id ?? '');
  if (floating === undefined)
    throw networkError(404, 'FloatingIPNotFound', `Floating IP ${id} could not be found`);
  if (call.method === 'DELETE') {
    state.floating.delete(floating.id);
    return { status: 204 };
  }
  if (call.method === 'PUT' && 'port_id' in wanted) {
    const port = wanted.port_id === null ? null : state.ports.get(`${wanted.port_id}`);
    if (port === undefined) throw notFound('Port', `${wanted.port_id}`);
    if (port === null) floating.portId = null;
    else associate(context, floating, port);
  }
  return { status: 200, body: { floatingip: view(floating) } };
}

function associate({ state }: Context, floating: FloatingRecord, port: PortRecord): void {
  if (!state.hasRouter) {
    throw networkError(
      404,
      'ExternalGatewayForFloatingIPNotFound',
      `External network ${floating.networkId} is not reachable from the subnet of port ${port.id}.`,
    );
  }
  floating.portId = port.id;
}

function floatingView(state: CloudState, floating: FloatingRecord) {
  return {
    id: floating.id,
    floating_ip_address: floating.address,
    floating_network_id: floating.networkId,
    fixed_ip_address: state.ports.get(floating.portId ?? '')?.address ?? null,
    port_id: floating.portId,
    router_id: null,
    status: floating.portId === null ? 'DOWN' : 'ACTIVE',
    description: floating.description,
    project_id: state.projectId,
    tags: [...floating.tags],
  };
}

function securityGroups(context: Context, id: string | undefined): ApiReply {
  const { state, call } = context;
  const wanted = members(members(call.body).security_group);
  const view = (group: SecurityGroupRecord) => ({
    id: group.id,
    name: group.name,
    description: group.description,
    project_id: state.projectId,
    security_group_rules: group.rules,
    tags: [...group.tags],
  });
  if (id === undefined && call.method === 'GET') {
    return listed(context, 'security-groups', [...state.securityGroups.values()].map(view));
  }
  if (id === undefined && call.method === 'POST') {
    if (state.securityGroups.size >= state.quotas.securityGroups) throw overQuota('security_group');
    const group = state.addSecurityGroup(textOf(wanted.name) ?? '', textOf(wanted.description) ?? '');
    return { status: 201, body: { security_group: view(group) } };
  }
  const group = state.securityGroups.get(id ?? '');
  if (group === undefined)
    throw networkError(404, 'SecurityGroupNotFound', `Security group ${id} does not exist`);
  if (call.method === 'DELETE') {
    const used = [...state.ports.values()].some(({ securityGroups: groups }) =>
      groups.some((name) => name === group.id || name === group.name),
    );
    if (used) throw networkError(409, 'SecurityGroupInUse', `Security Group ${id} in use.`);
    state.securityGroups.delete(group.id);
    return { status: 204 };
  }
  return { status: 200, body: { security_group: view(group) } };
}

function addRule({ state, call }: Context): ApiReply {
  if (call.method !== 'POST') throw unknownMethod();
  const wanted = members(members(call.body).security_group_rule);
  const group = state.securityGroups.get(`${wanted.security_group_id}`);
  if (group === undefined) {
    throw networkError(
      404,
      'SecurityGroupNotFound',
      `Security group ${wanted.security_group_id} does not exist`,
    );
  }
  const rule = { id: randomUUID(), ...wanted };
  group.rules.push(rule);
  return { status: 201, body: { security_group_rule: rule } };
}

function tags({ state, call }: Context, collection: string, id: string): ApiReply {
  const collections: Readonly<Record<string, ReadonlyMap<string, { readonly tags: Set<string> }>>> = {
    ports: state.ports,
    floatingips: state.floating,
    'security-groups': state.securityGroups,
  };
  const entry = collections[collection]?.get(id);
  if (entry === undefined)
    throw networkError(404, 'TagResourceNotFound', `Resource ${id} could not be found.`);
  const one = call.segments[3];
  if (call.method === 'PUT' && one !== undefined) {
    entry.tags.add(decodeURIComponent(one));
    return { status: 201, body: null };
  }
  if (call.method === 'PUT') {
    entry.tags.clear();
    for (const tag of items(members(call.body).tags)) entry.tags.add(String(tag));
  }
  return { status: 200, body: { tags: [...entry.tags] } };
}

function quotas({ state }: Context, below: string | undefined): ApiReply {
  const all: Readonly<Record<string, readonly [limit: number, used: number]>> = {
    network: [100, 0],
    port: [state.quotas.ports, state.ports.size],
    floatingip: [state.quotas.floatingAddresses, state.floating.size],
    security_group: [state.quotas.securityGroups, state.securityGroups.size],
    security_group_rule: [100, 0],
  };
  const quota = Object.fromEntries(
    Object.entries(all).map(([name, [limit, used]]) => [
      name,
      below?.startsWith('details') ? { limit, used, reserved: 0 } : limit,
    ]),
  );
  return { status: 200, body: { quota } };
}

function overQuota(name: string): Error {
  return networkError(409, 'OverQuota', `Quota exceeded for resources: ['${name}'].`);
}
