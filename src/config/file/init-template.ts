/**
 * The configurations that sos-ci prints and writes: a minimal example, and the one of `sos-ci init`, with a comment for
 * each later decision. User input is inserted as quoted YAML.
 */

import { isLoopback } from '../fields/validators.ts';

/** The smallest valid configuration. */
export const EXAMPLE = `gerrit: {host: review.opendev.org, user: acme-ci, key: ~/.ssh/acme-ci}
report: {helpUrl: https://wiki.openstack.org/wiki/ThirdPartySystems/Acme_CI}
providers:
  lab: {type: static, hosts: {node1: {host: node1.acme.example}},   # anyone who can upload a change runs code there
        ssh: {user: stack, key: ~/.ssh/acme-node, knownHosts: ~/.ssh/known_hosts}}
jobs:
  acme-dsvm:
    project: openstack/cinder
    stacking: {command: [./stack.sh], timeout: 1h}
    testing: {command: [./run-tests.sh], timeout: 3h, results: results.tap}
    logs: [logs]
`;

export interface InitAnswers {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Display name of the account. */
  readonly name: string;
  /** The paths as written to the file. */
  readonly keyFile: string;
  readonly knownHostsFile: string;
  readonly deployment: string;
  /** '' if there is none yet. */
  readonly wiki: string;
  readonly project: string;
  /** The label that is voted on; '' for none. */
  readonly label: string;
  readonly job: string;
  /** Null for a harmless job. */
  readonly devstack: InitDevstack | null;
  readonly node: InitNode;
}

/** A job with DevStack and Tempest. */
export interface InitDevstack {
  /** The class of a Cinder driver. */
  readonly driver: string;
  /** Of cinder.conf; empty: DevStack writes them, or the user does later. */
  readonly options: readonly (readonly [key: string, value: string])[];
  /** The regular expression of Tempest's tests. */
  readonly tests: string;
  readonly concurrency: number;
  /** For servers without Internet access; '' for none. */
  readonly gitMirror: string;
}

/** Where jobs run. */
export type InitNode =
  | { readonly kind: 'local'; readonly untrusted: boolean }
  | {
      readonly kind: 'static';
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly keyFile: string;
    }
  | { readonly kind: 'command'; readonly program: string; readonly user: string; readonly keyFile: string }
  | {
      readonly kind: 'openstack';
      /** A cloud of clouds.yaml, or the absolute path of an openrc file. */
      readonly credentials: { readonly cloud: string } | { readonly openrc: string };
      readonly image: string;
      readonly flavor: string;
      readonly network: string;
      readonly keyFile: string;
    };

export function initConfig(answers: InitAnswers): string {
  const { host, port, user, name, keyFile, knownHostsFile, deployment, project, job } = answers;
  return `# yaml-language-server: $schema=./sos-ci.schema.json
# For completion in editors: sos-ci config schema > sos-ci.schema.json
# Made by sos-ci init. Paths are relative to this file. All keys: sos-ci config keys
# After a change: sos-ci config check (this file), sos-ci doctor (this file and the systems that it names).

deployment: ${quoted(deployment)}   # written on everything that sos-ci creates, to find it again
# stateDir: ./state   # the database, logs before they are published, and the Ansible of sos-ci setup ansible

gerrit:
  host: ${quoted(host)}
  port: ${port}
  user: ${quoted(user)}
  name: ${quoted(name)}   # the account's display name: a comment "run-NAME" starts its jobs
  key: ${quoted(keyFile)}
  knownHosts: ${quoted(knownHostsFile)}   # the server's host key, once you have compared it
  # Reviews by REST instead of SSH, at the address of Gerrit's web interface; doctor can then also check which votes you
  # may cast. The password is Gerrit's HTTP password, alone in a file of mode 600:
  # rest: {url: ${quoted(webInterface(host))}, password: {file: ./http-password}}

report:
${reportLines(answers)}
  # No vote is given until the project's team has agreed to one:
${voteLines(answers)}

# Where jobs run: docs/providers.md
providers:
${providerLines(answers)}

# Logs must be readable by everyone, without a login, for a month. Serve this directory with a web server:
# logs: {dir: /srv/logs, url: "https://logs.example.org"}

# mail: {from: ci@example.org, to: [you@example.org], alarmsTo: [you@example.org], sendmail: [/usr/sbin/sendmail]}

# What starts a job: docs/rules.md
jobs:
  ${quoted(job)}:
    project: ${quoted(project)}
${answers.devstack === null ? HARMLESS_STAGE : tempestLines(answers.devstack)}`;
}

/** Of a Gerrit on this host only the port is unknown; any other one has its own name, behind TLS. */
function webInterface(host: string): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return isLoopback(host) ? `http://${name}:PORT` : `https://${name}`;
}

function voteLines({ label }: InitAnswers): string {
  return label === ''
    ? '  # label: Verified\n  # success: 1\n  # failure: -1'
    : `  label: ${quoted(label)}\n  success: 1\n  failure: -1`;
}

const HARMLESS_STAGE = `    # A program and its arguments, started in the work tree with the patchset; run without a shell. Before it,
    # stacking: {command: [./stack.sh], timeout: 1h} would set the server up. secrets would copy a password to it,
    # but anyone who can upload a change can read it and send it elsewhere: docs/stages.md
    testing:
      command: [git, log, '-1', --stat]
      timeout: 10m
      exitCodeIsResult: true   # any exit code but 0 is a failed test; or results: FILE.tap
`;

interface DevstackBackend {
  readonly type: string;
  /** Sets up the storage; both plugins here expect the type as the name of the back end. Null: DevStack does it alone. */
  readonly plugin: string | null;
}

/** Drivers whose back end DevStack configures, by its type. */
const DEVSTACK_BACKENDS: Readonly<Record<string, DevstackBackend>> = {
  'cinder.volume.drivers.lvm.LVMVolumeDriver': { type: 'lvm', plugin: null },
  'cinder.volume.drivers.nfs.NfsDriver': { type: 'nfs', plugin: 'devstack-plugin-nfs' },
  'cinder.volume.drivers.rbd.RBDDriver': { type: 'ceph', plugin: 'devstack-plugin-ceph' },
};

const PRESET_LINE = `    preset: devstack-tempest   # docs/devstack.md; it needs: sos-ci setup ansible
`;

function tempestLines(devstack: InitDevstack): string {
  const { driver, options, tests, concurrency } = devstack;
  const known =
    options.length === 0 && Object.hasOwn(DEVSTACK_BACKENDS, driver) ? DEVSTACK_BACKENDS[driver] : undefined;
  return `${PRESET_LINE}${known === undefined ? backendLines(devstack) : devstackBackendLines(driver, known)}${variableLines(devstack, known)}    tempest: {regex: ${quoted(tests)}, concurrency: ${concurrency}}
`;
}

function devstackBackendLines(driver: string, { type, plugin }: DevstackBackend): string {
  return `    backend: {name: ${type}, type: ${type}, driver: ${quoted(driver)}}   # type: DevStack writes the options
    # To write them yourself: backend: {name: acme, driver: ..., options: {...}}, without type${plugin === null ? '' : ' and the plugin'}
`;
}

/** The back end's options cannot be asked for one by one: a driver may have any number of them. */
function backendLines({ driver, options }: InitDevstack): string {
  const written = options.map(([key, value]) => `\n        ${quoted(key)}: ${quoted(value)}`).join('');
  const example =
    "   # as in cinder.conf: {san_ip: 192.0.2.10, san_login: ci, san_password: '{{ acme_password }}'}";
  const backend = `    backend:
      name: acme
      driver: ${quoted(driver)}
      options:${written === '' ? ` {}${example}` : written}
`;
  if (written !== '' && !namesVariable(options)) return backend;
  return `${backend}    # A file of mode 600 with the line acme_password: "...". Name it at the top level too: redact: [{file: ./acme-secrets.yml}]
    # variableFiles: [./acme-secrets.yml]
`;
}

/** True if the user has to write a file with the values of variables. */
export function namesVariable(options: InitDevstack['options']): boolean {
  return options.some(([, value]) => value.includes('{{'));
}

function variableLines({ gitMirror, options }: InitDevstack, known: DevstackBackend | undefined): string {
  const plugin = known?.plugin ?? null;
  const lines = [
    ...(gitMirror === ''
      ? []
      : [
          `devstack_git_base: ${quoted(gitMirror)}   # below it, openstack/devstack and what stack.sh clones`,
          'devstack_packages: []   # nothing is installed: the image has the packages of DevStack and Tempest',
          "tempest_venv: /usr   # Tempest's programs are in bin below it",
          '# With few projects on the mirror:',
          '# devstack_services: {base: false, mysql: true, rabbit: true, key: true, c-api: true, c-sch: true, c-vol: true, tempest: true}',
        ]),
    ...(plugin === null
      ? []
      : [
          `devstack_plugins: {${plugin}: '{{ devstack_git_base }}/openstack/${plugin}'}   # sets up the storage on the server`,
        ]),
  ];
  if (lines.length > 0) return `    variables:\n${lines.map((line) => `      ${line}\n`).join('')}`;
  return known === undefined && (options.length === 0 || namesVariable(options))
    ? "    # variables: {devstack_localrc: {ACME_PASSWORD: '{{ acme_password }}'}}   # for local.conf of DevStack\n"
    : '';
}

function reportLines({ wiki }: InitAnswers): string {
  const about = "The CI's page: how to rerun, how to debug, whom to contact. Each comment must link to it.";
  return wiki === ''
    ? `  enabled: true\n  # ${about}\n  # helpUrl: https://wiki.openstack.org/wiki/ThirdPartySystems/...`
    : `  # ${about}\n  helpUrl: ${quoted(wiki)}`;
}

function providerLines({ node, knownHostsFile }: InitAnswers): string {
  if (node.kind === 'local') {
    const trust = node.untrusted
      ? '\n    allowUntrustedCode: true   # anyone who can upload a change runs code on this host, as this user'
      : '';
    return `  local:\n    type: local\n    slots: 1${trust}`;
  }
  if (node.kind === 'openstack') {
    const { credentials } = node;
    const source =
      'openrc' in credentials
        ? `openrc: ${quoted(credentials.openrc)}`
        : `cloud: ${quoted(credentials.cloud)}   # of clouds.yaml`;
    return `  # A new server for each job: docs/openstack.md. Try it with: sos-ci boot-test nodes
  nodes:
    type: openstack
    slots: 1
    ${source}
    image: ${quoted(node.image)}
    flavor: ${quoted(node.flavor)}
    networks: [${quoted(node.network)}]
    # floatingNetwork: public   # if this host cannot reach the network itself
    # securityGroups: [ssh]   # must admit SSH from this host; without this, the group default of the project
    ssh: {key: ${quoted(node.keyFile)}}`;
  }
  const { user, keyFile } = node;
  if (node.kind === 'command') {
    const argv = (action: string): string => `[${quoted(node.program)}, ${action}]`;
    return `  nodes:
    type: command
    slots: 1
    ssh:
      key: ${quoted(keyFile)}
      user: ${quoted(user)}
    create: ${argv('create')}
    list: ${argv('list')}
    delete: ${argv('delete')}`;
  }
  return `  nodes:
    type: static
    ssh:
      key: ${quoted(keyFile)}
      user: ${quoted(user)}
      knownHosts: ${quoted(knownHostsFile)}   # the nodes' host keys; without this, the first key that a node presents is trusted
    hosts:
      node1: {host: ${quoted(node.host)}, port: ${node.port}}`;
}

/** A double-quoted YAML scalar is a JSON string. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
