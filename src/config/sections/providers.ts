/** `providers`: where jobs run. The allowed keys depend on `type`. */
import { z } from 'zod';
import type { OpenStackProviderConfig, ProviderConfig, SshConfig, StaticHostConfig } from '../config.ts';
import {
  command,
  duration,
  fieldMeta,
  flag,
  integer,
  optionalInteger,
  optionalText,
  text,
  texts,
} from '../fields/fields.ts';
import {
  entryName,
  environmentName,
  hostKeyText,
  hostName,
  isLoopback,
  nodeDirectory,
  userName,
} from '../fields/validators.ts';
import { at, isMapping, type ReportProblem } from '../file/yaml-document.ts';
import { openStackKeys } from './openstack.ts';
import { isCollectionPlaybook } from './stages.ts';

export const PROVIDER_TYPES = ['local', 'static', 'command', 'ansible', 'openstack'] as const;
const LOCAL = PROVIDER_TYPES[0];

function type<const T extends string>(of: T) {
  const schema = z.literal(of);
  fieldMeta.add(schema, {
    title: PROVIDER_TYPES.join(', '),
    description:
      'local: a scratch directory and a process group on this host; static: a list of hosts, over SSH; command: servers that your own programs create; ansible: servers that your own playbooks create; openstack: servers in a project of an OpenStack cloud',
    default: LOCAL,
  });
  return schema;
}

const slots = integer({ default: 1, min: 1, max: 1000, about: 'servers, and so jobs, at the same time' });

const ssh = z.strictObject({
  key: text({ kind: 'path', about: 'the private SSH key for the nodes, without passphrase' }),
  user: text({ check: userName, about: 'the user on the nodes; every job runs as this user' }),
  port: integer({ default: 22, min: 1, max: 65535, about: "the nodes' SSH port" }),
  knownHosts: optionalText({
    kind: 'path',
    about:
      'known_hosts file with the host keys of the nodes; without it, the key that a node presents first is pinned until its server is deleted',
  }),
  directory: text({
    kind: 'absolute path',
    default: '/var/tmp/sos-ci',
    check: nodeDirectory,
    about: 'on the nodes; each server gets its own directory in it, which is deleted with the server',
  }),
  reconnectTimeout: duration({
    default: '10m',
    min: '1s',
    about: 'after this long without a connection, the run on the node counts as lost',
  }),
});

const host = z.strictObject({
  host: text({ kind: 'host name', check: hostName, about: 'name or address' }),
  port: optionalInteger({ min: 1, max: 65535, about: 'by default ssh.port' }),
  directory: optionalText({ kind: 'absolute path', check: nodeDirectory, about: 'by default ssh.directory' }),
  hostKey: optionalText({
    kind: 'TYPE BASE64',
    check: hostKeyText,
    about: "the host's public key, as in known_hosts without the name; overrides ssh.knownHosts",
  }),
});

const local = z.strictObject({
  type: type('local'),
  slots,
  allowUntrustedCode: flag({
    default: false,
    about:
      "run patchsets of a Gerrit that is not on this host, as the daemon's user. Anyone who can upload a change runs code here",
  }),
  user: optionalText({
    check: userName,
    about:
      'the account that runs the commands of jobs, so that they cannot reach the files of the daemon; requires a daemon that runs as root',
  }),
});

const staticHosts = z.strictObject({
  type: type('static'),
  ssh,
  hosts: z.record(z.string(), host).superRefine((hosts, context) => {
    if (Object.keys(hosts).length > 0) return;
    const params = { next: 'add one: hosts: {node1: {host: 10.0.0.11}}' };
    context.addIssue({ code: 'custom', message: 'names no host', params });
  }),
  reset: z
    .strictObject({
      command: command({
        about: 'runs on a host before a job gets it; an exit code other than 0 is a failure of the host',
      }),
      timeout: duration({ default: '10m', min: '1s', about: 'for resetting one host' }),
    })
    .optional(),
});

const programs = z.strictObject({
  type: type('command'),
  slots,
  ssh,
  create: command({ about: 'program that creates a server; JSON on standard input and output' }),
  list: command({
    about: 'program that lists all servers that `create` has made and `delete` has not removed',
  }),
  delete: command({ about: 'program that removes a server' }),
  environment: texts({
    kind: 'list of names',
    check: environmentName,
    about: "the daemon's environment variables that the programs get, besides PATH, HOME, LANG and TMPDIR",
  }),
});

const openstack = z.strictObject({
  type: type('openstack'),
  slots,
  ...openStackKeys,
  ssh: ssh.extend({
    user: optionalText({
      check: userName,
      about: "the user on the servers; by default the image's os_admin_user, else ubuntu",
    }),
  }),
});

const playbook = (about: string) => text({ kind: 'path, or NAMESPACE.COLLECTION.NAME', about });

const playbooks = z.strictObject({
  type: type('ansible'),
  slots,
  ssh,
  playbooks: z.strictObject({
    create: playbook(
      'creates a server, and writes the response to the file in its variable `sos_ci.answer_file`; docs/providers.md describes it',
    ),
    list: playbook('lists all servers that `create` has made and `delete` has not removed'),
    delete: playbook('removes a server'),
    inventory: optionalText({ kind: 'path', about: 'the inventory of the playbooks; by default localhost' }),
    variableFiles: texts({
      kind: 'list of paths',
      check: () => null,
      about: 'files with variables for the playbooks, such as the credentials for a cloud',
    }),
  }),
});

export const provider = z.preprocess(
  (value) => (isMapping(value) && value.type === undefined ? { ...value, type: LOCAL } : value),
  z.discriminatedUnion('type', [local, staticHosts, programs, playbooks, openstack]),
);

/** Constants that need no configuration. */
const SSH_LIMITS = {
  /** TCP, handshake and login together. */
  connectTimeoutMs: 20_000,
  /** Below the idle timeout of common firewalls. Three missed keepalives end a dead connection after 45 s. */
  keepaliveMs: 15_000,
  keepaliveMax: 3,
  /** The waits between reconnects double from the first to the longest. */
  backoffMinMs: 500,
  backoffMaxMs: 30_000,
  /** One short command of ours, or one request for a file. */
  commandTimeoutMs: 60_000,
  idleMs: 60_000,
  /** Polls a stage in case the notification got lost. */
  pollIntervalMs: 60_000,
} as const;

const STATIC_LIMITS = {
  /** One failure may be due to the network; two in a row are due to the host. */
  quarantineAfterFailures: 2,
  /** After this time a quarantined host is tried again, so a repaired one returns without a command. */
  quarantineMs: 3_600_000,
} as const;

const COMMAND_LIMITS = {
  listTimeoutMs: 60_000,
  /** Bare metal may take minutes to power off. */
  deleteTimeoutMs: 300_000,
  outputLimitBytes: 1024 ** 2,
} as const;

/** By default Nova waits up to a minute for a guest to shut down. */
const OPENSTACK_DELETE_TIMEOUT_MS = 300_000;

/** For ending a server's processes and removing its directory. */
const DELETE_TIMEOUT_MS = 120_000;

type ProviderFile = z.output<typeof provider>;
type StaticFile = Extract<ProviderFile, { type: 'static' }>;
type OpenStackFile = Extract<ProviderFile, { type: 'openstack' }>;
type Resolve = (path: string) => string;

export function buildProvider(name: string, file: ProviderFile, path: Resolve): ProviderConfig {
  switch (file.type) {
    case 'local': {
      const { slots: number, allowUntrustedCode, user } = file;
      const deleteTimeoutMs = DELETE_TIMEOUT_MS;
      return { type: 'local', name, slots: number, allowUntrustedCode, user, deleteTimeoutMs };
    }
    case 'static':
      return {
        ...STATIC_LIMITS,
        type: 'static',
        name,
        slots: Object.keys(file.hosts).length,
        ssh: buildSsh(file.ssh, path),
        hosts: Object.entries(file.hosts).map(([one, keys]) => buildHost(one, keys, file.ssh)),
        reset: file.reset === undefined ? null : { argv: file.reset.command, timeoutMs: file.reset.timeout },
        deleteTimeoutMs: DELETE_TIMEOUT_MS,
      };
    case 'command':
      return {
        ...buildPrograms(name, file, path),
        create: file.create,
        list: file.list,
        delete: file.delete,
        environment: file.environment,
      };
    case 'ansible': {
      const { create, list, delete: remove, inventory, variableFiles } = file.playbooks;
      const named = (one: string) => [isCollectionPlaybook(one) ? one : path(one)];
      return {
        ...buildPrograms(name, file, path),
        create: named(create),
        list: named(list),
        delete: named(remove),
        environment: [],
        playbooks: {
          inventory: inventory === null ? null : path(inventory),
          variableFiles: variableFiles.map(path),
        },
      };
    }
    case 'openstack':
      return buildOpenStack(name, file, path);
  }
}

/** The common part of providers of type command and ansible, which run programs of the operator. */
function buildPrograms(
  name: string,
  { slots, ssh }: Extract<ProviderFile, { type: 'command' | 'ansible' }>,
  path: Resolve,
) {
  return {
    ...COMMAND_LIMITS,
    type: 'command',
    name,
    slots,
    ssh: buildSsh(ssh, path),
    node: { user: ssh.user, port: ssh.port, directory: ssh.directory },
  } as const;
}

function buildOpenStack(name: string, file: OpenStackFile, path: Resolve): OpenStackProviderConfig {
  const { user, port, directory } = file.ssh;
  return {
    type: 'openstack',
    name,
    slots: file.slots,
    ssh: buildSsh(file.ssh, path),
    node: { user, port, directory },
    cloud: file.cloud,
    openrcFile: file.openrc === null ? null : path(file.openrc),
    image: file.image,
    flavor: file.flavor,
    networks: file.networks,
    floatingNetwork: file.floatingNetwork,
    securityGroups: file.securityGroups,
    availabilityZone: file.availabilityZone,
    schedulerHints: file.schedulerHints,
    keyPair: file.keyPair,
    configDrive: file.configDrive,
    userDataFile: file.userData === null ? null : path(file.userData),
    bootVolumeGb: file.bootVolume,
    deleteTimeoutMs: OPENSTACK_DELETE_TIMEOUT_MS,
  };
}

function buildHost(
  name: string,
  file: StaticFile['hosts'][string],
  common: StaticFile['ssh'],
): StaticHostConfig {
  return {
    name,
    host: file.host,
    port: file.port ?? common.port,
    user: common.user,
    directory: file.directory ?? common.directory,
    hostKey: file.hostKey,
  };
}

function buildSsh(file: Omit<z.output<typeof ssh>, 'user'>, path: Resolve): SshConfig {
  return {
    ...SSH_LIMITS,
    keyFile: path(file.key),
    knownHostsFile: file.knownHosts === null ? null : path(file.knownHosts),
    reconnectTimeoutMs: file.reconnectTimeout,
  };
}

/** The names of the providers. */
export function checkProviders(root: unknown, add: ReportProblem): readonly string[] {
  const providers = at(root, ['providers']);
  const names = isMapping(providers) ? Object.keys(providers) : [LOCAL];
  if (names.length === 0)
    add(['providers'], 'names no provider', 'add one, or remove the key: providers: {local: {slots: 1}}');
  for (const name of names) {
    const wrong = entryName(name);
    if (wrong !== null) add(['providers', name], `the name ${wrong.what}`, wrong.next);
  }
  checkTrust(root, names, add);
  checkHosts(root, names, add);
  return names;
}

/** Two entries for one host would let two jobs share it. */
function checkHosts(root: unknown, providers: readonly string[], add: ReportProblem): void {
  const seen = new Map<string, string>();
  for (const name of providers) {
    const hosts = at(root, ['providers', name, 'hosts']);
    for (const one of isMapping(hosts) ? Object.keys(hosts) : []) {
      const path = ['providers', name, 'hosts', one];
      const wrong = entryName(one);
      if (wrong !== null) add(path, `the name ${wrong.what}`, wrong.next);
      const fallback = at(root, ['providers', name, 'ssh', 'port']) ?? 22;
      const address = `${String(at(root, [...path, 'host']))}:${String(at(root, [...path, 'port']) ?? fallback)}`;
      const before = seen.get(address);
      const next = 'a host has one job at a time: name it once';
      if (before !== undefined) add(path, `is the same host as ${before} (${address})`, next);
      else seen.set(address, path.join('.'));
    }
  }
}

/** The daemon applies the same rule when it starts; here the error has a line. */
function checkTrust(root: unknown, names: readonly string[], add: ReportProblem): void {
  const gerrit = at(root, ['gerrit', 'host']);
  if (typeof gerrit !== 'string' || isLoopback(gerrit)) return;
  for (const name of names) {
    if ((at(root, ['providers', name, 'type']) ?? LOCAL) !== LOCAL) continue;
    const allowed = at(root, ['providers', name, 'allowUntrustedCode']);
    if (allowed === true || typeof at(root, ['providers', name, 'user']) === 'string') continue;
    const next = `name an account that runs their code: providers.${name}.user; or, if anyone who can upload there may run code as this user, say so: providers.${name}.allowUntrustedCode: true`;
    add(['providers', name], `would run patchsets of ${gerrit} as this user, on this host`, next);
  }
}
