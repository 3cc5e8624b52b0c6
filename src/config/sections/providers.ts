/**
 * The part of `sos-ci.yaml` that says where jobs run. What a provider may hold depends on its type, so a mistake is judged by
 * the type that is written there.
 */
import { z } from 'zod';
import {
  choice,
  command,
  duration,
  flag,
  integer,
  optionalInteger,
  optionalText,
  size,
  text,
  texts,
} from '../fields/fields.ts';
import { keyed, variants } from '../fields/unions.ts';
import { environmentName, hostKeyText, hostName, nodeDirectory, userName } from '../fields/validators.ts';

const PROVIDER_TYPES = ['local', 'static', 'command'] as const;

const type = choice({
  of: PROVIDER_TYPES,
  default: 'local',
  about:
    'local: a scratch directory and a process group on this host; static: a list of hosts by SSH; command: servers that your own programs make',
});
const slots = integer({ default: 1, min: 1, max: 1000, about: 'servers, and so jobs, at the same time' });

const ssh = z.strictObject({
  key: text({ kind: 'path', about: 'the private SSH key that the nodes let in, without passphrase' }),
  user: text({ check: userName, about: 'the user on the nodes; every job runs as this user' }),
  port: integer({ default: 22, min: 1, max: 65535, about: "the nodes' SSH port" }),
  directory: text({
    kind: 'absolute path',
    default: '/var/tmp/sos-ci',
    check: nodeDirectory,
    about: 'on the nodes; each server gets a directory of its own in it, which goes with the server',
  }),
  knownHosts: optionalText({
    kind: 'path',
    about:
      'known_hosts file with the host keys of the nodes; without it, the key that a node shows first counts until its server is deleted',
  }),
  connectTimeout: duration({ default: '20s', about: 'for connection, handshake and login together' }),
  keepalive: duration({ default: '15s', min: '1s', about: 'between two keepalives' }),
  keepaliveMax: integer({
    default: 3,
    min: 1,
    max: 100,
    about: 'unanswered keepalives until a connection counts as dead',
  }),
  backoffMin: duration({ default: '500ms', min: '10ms', about: 'before the first reconnect' }),
  backoffMax: duration({
    default: '30s',
    min: '10ms',
    about: 'longest wait before a reconnect; the waits double',
  }),
  commandTimeout: duration({
    default: '1m',
    min: '1s',
    about: 'for one short command of ours on a node, or one request for a file',
  }),
  away: duration({
    default: '10m',
    min: '1s',
    about: 'a node that can not be reached for this long has lost what ran on it',
  }),
  idle: duration({ default: '1m', min: '1s', about: 'until a connection that nobody uses is closed' }),
  safety: duration({
    default: '1m',
    min: '5s',
    about: 'between two looks at a stage although nothing has told us to look',
  }),
});

const host = z.strictObject({
  host: text({ kind: 'host name', check: hostName, about: 'name or address' }),
  port: optionalInteger({ min: 1, max: 65535, about: 'by default ssh.port' }),
  user: optionalText({ check: userName, about: 'by default ssh.user' }),
  directory: optionalText({
    kind: 'absolute path',
    check: nodeDirectory,
    about: 'by default ssh.directory',
  }),
  hostKey: optionalText({
    kind: 'TYPE BASE64',
    check: hostKeyText,
    about: "the host's public key, as in known_hosts without the name; comes before ssh.knownHosts",
  }),
});

const deleteTimeout = duration({
  default: '2m',
  min: '1s',
  about:
    "for ending a job's processes and removing its directory; of command: for one run of `delete`, by default 5m",
});

const local = z.strictObject({
  type,
  slots,
  allowUntrustedCode: flag({
    default: false,
    about:
      'run patchsets of a Gerrit that is not on this host, as this user. Anybody who may upload a change runs code here',
  }),
  user: optionalText({
    check: userName,
    about:
      'the account that the commands of jobs run as, so that the files of the daemon are out of their reach; needs a daemon that runs as root',
  }),
  deleteTimeout,
});

const fixed = z.strictObject({
  type,
  ssh,
  hosts: keyed(host, 'names no host', 'add one: hosts: {node1: {host: 10.0.0.11}}'),
  clean: z
    .strictObject({
      command: command({
        about: 'runs on a host before a job gets it; an exit code other than 0 is a failure of the host',
      }),
      timeout: duration({ default: '10m', min: '1s', about: 'for cleaning one host' }),
    })
    .optional(),
  failures: integer({
    default: 2,
    min: 1,
    max: 100,
    about: 'in a row, when it is reached or cleaned, until a host is put aside and an alarm is raised',
  }),
  aside: duration({ default: '1h', min: '1s', about: 'until a host that was put aside is tried again' }),
  deleteTimeout,
});

const programs = z.strictObject({
  type,
  slots,
  ssh,
  create: command({ about: 'program that makes a server; JSON on standard input and output' }),
  list: command({
    about: 'program that lists all servers that `create` has made and `delete` has not removed',
  }),
  delete: command({ about: 'program that removes a server' }),
  listTimeout: duration({ default: '1m', min: '1s', about: 'for one run of `list`' }),
  deleteTimeout: duration({ default: '5m', min: '1s', about: 'for one run of `delete`' }),
  outputLimit: size({ default: '1MB', min: '1KB', about: 'of one program; more is an error' }),
  environment: texts({
    kind: 'list of names',
    default: '[]',
    fallback: [],
    check: environmentName,
    about: "of the daemon's environment variables that the programs get, beside PATH, HOME, LANG and TMPDIR",
  }),
});

export const provider = variants('type', 'local', { local, static: fixed, command: programs });

export type ProviderFile = z.output<typeof provider>;
export type SshFile = z.output<typeof ssh>;
