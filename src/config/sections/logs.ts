/** `logs`: where logs and other evidence are published. */
import { join } from 'node:path';
import { z } from 'zod';
import { FieldError } from '../fields/field-error.ts';
import { duration, integer, optionalText, text } from '../fields/fields.ts';
import { hostName, userName, webAddress } from '../fields/validators.ts';
import { at, isMapping, type ReportProblem } from '../file/yaml-document.ts';
import type {
  LogServerConfig,
  LogsConfig,
  LogsDestination,
  LogsPlaybookConfig,
  LogsSwiftConfig,
} from '../logs-config.ts';
import { openStackKeys } from './openstack.ts';
import { isCollectionPlaybook } from './stages.ts';

const ssh = z.strictObject({
  host: text({ kind: 'host name', check: hostName, about: 'the log server' }),
  port: integer({ default: 22, min: 1, max: 65535, about: 'its SSH port' }),
  user: text({
    check: userName,
    about: 'the account there; SFTP is all it needs, also in a chroot (ForceCommand internal-sftp)',
  }),
  key: text({ kind: 'path', about: 'the private SSH key of that account, without passphrase' }),
  knownHosts: text({
    kind: 'path',
    default: '~/.ssh/known_hosts',
    about: "known_hosts file with the log server's host key",
  }),
  dir: text({
    kind: 'path on the log server',
    check: remoteDirectory,
    about: 'the directory for all logs there; it must exist, and only that account may write below it',
  }),
});

/** The playbooks of our collection. */
const PUBLISH = 'sos_ci.openstack.publish';
const EXPIRE = 'sos_ci.openstack.expire';

const playbook = z.strictObject({
  file: text({
    kind: 'path, or NAMESPACE.COLLECTION.NAME',
    default: PUBLISH,
    about: 'publishes one directory, which its variable `sos_ci` names; docs/publishing.md describes it',
  }),
  expire: optionalText({
    kind: 'path, or NAMESPACE.COLLECTION.NAME',
    about: `removes what is older than keep; by default ${EXPIRE}, but nothing is removed if \`file\` is your own`,
  }),
  inventory: text({
    kind: 'path',
    default: '/etc/ansible/hosts',
    about:
      'the inventory, with the log server in the group `log_server`, and its variables such as `publish_root`',
  }),
});

const swift = z.strictObject({
  container: text({
    kind: 'name',
    check: containerName,
    about: 'the container; it must exist, and everyone must be able to read it',
  }),
  cloud: openStackKeys.cloud,
  openrc: openStackKeys.openrc,
});

export const logs = z.strictObject({
  dir: optionalText({
    kind: 'path',
    about: 'where evidence is published on this host; by default logs in stateDir',
  }),
  ssh: ssh.optional(),
  playbook: playbook.optional(),
  swift: swift.optional(),
  url: text({
    kind: 'web address',
    default: '',
    check: webAddress,
    about: 'the address of the published logs for readers; empty: the file:// address of logs.dir',
  }),
  keep: duration({
    default: '30d',
    min: '0s',
    max: '3650d',
    about: 'published evidence is removed when it is older, and no review needs it; 0s: never',
  }),
});

/** Constants that need no configuration: a work tree beyond them is damaged or hostile. */
const LIMITS = {
  /** Only the beginning of a longer file is published. */
  maxFileBytes: 256 * 1024 ** 2,
  /** Files and directories of one work tree that are examined. */
  maxEntries: 200_000,
  maxDepth: 32,
  /** Limit on skipped files that the manifest names; further ones are only counted. */
  maxIndexEntries: 1_000,
} as const;

/** Swift does not know which reviews are open: each is over by then. */
const LONGEST_REVIEW_MS = 7 * 24 * 3_600_000;

const SSH_LIMITS = {
  connectTimeoutMs: 20_000,
  /** Below the idle timeout of common firewalls. Three missed keepalives end a dead connection after 45 s. */
  keepaliveMs: 15_000,
  keepaliveMax: 3,
  closeTimeoutMs: 1_000,
} as const;

type LogsFile = z.output<typeof logs>;
type Resolve = (path: string) => string;

export function buildLogs(file: LogsFile, stateDir: string, path: Resolve): LogsConfig {
  const { url, keep } = file;
  return { destination: buildDestination(file, stateDir, path), url, keepMs: keep, limits: LIMITS };
}

function buildDestination(file: LogsFile, stateDir: string, path: Resolve): LogsDestination {
  const { dir, ssh, playbook, swift, keep } = file;
  if (ssh !== undefined) return buildLogServer(ssh, path);
  if (playbook !== undefined) return buildPlaybook(playbook, path);
  if (swift !== undefined) return buildSwift(swift, keep, path);
  return { type: 'directory', dir: dir === null ? join(stateDir, 'logs') : path(dir) };
}

function buildSwift(
  { container, cloud, openrc }: NonNullable<LogsFile['swift']>,
  keepMs: number,
  path: Resolve,
): LogsSwiftConfig {
  const deleteAfterMs = keepMs === 0 ? 0 : keepMs + LONGEST_REVIEW_MS;
  return {
    type: 'swift',
    container,
    cloud,
    openrcFile: openrc === null ? null : path(openrc),
    deleteAfterMs,
  };
}

function buildPlaybook(
  { file, expire, inventory }: NonNullable<LogsFile['playbook']>,
  path: Resolve,
): LogsPlaybookConfig {
  const resolved = (one: string) => (isCollectionPlaybook(one) ? one : path(one));
  const ours = file === PUBLISH ? EXPIRE : null;
  return {
    type: 'playbook',
    publish: resolved(file),
    expire: expire === null ? ours : resolved(expire),
    inventory: path(inventory),
  };
}

function buildLogServer(
  { host, port, user, key, knownHosts, dir }: z.output<typeof ssh>,
  path: Resolve,
): LogServerConfig {
  const files = { keyFile: path(key), knownHostsFile: path(knownHosts) };
  return { ...SSH_LIMITS, type: 'ssh', host, port, user, ...files, dir };
}

/** The keys for destinations that are not on this host. */
const ELSEWHERE = ['ssh', 'playbook', 'swift'] as const;

export function checkLogs(root: unknown, add: ReportProblem): void {
  const file = at(root, ['logs']);
  if (!isMapping(file)) return;
  const [key, ...more] = ELSEWHERE.filter((one) => isMapping(file[one]));
  if (key === undefined) return;
  for (const other of [...more, ...(file.dir === undefined ? [] : ['dir'])])
    add(['logs', other], `is set beside ${key}`, 'keep one of the two');
  const { url } = file;
  if (typeof url === 'string' && url !== '' && !url.startsWith('file:')) return;
  add(
    ['logs', key],
    'needs logs.url',
    'add url: the https:// address at which the log server serves the logs',
  );
}

function containerName(value: string): FieldError | null {
  return value === '' || value.includes('/') || Buffer.byteLength(value) > 256
    ? new FieldError('must be a name of at most 256 bytes without a slash')
    : null;
}

function remoteDirectory(value: string): FieldError | null {
  if (!value.startsWith('/'))
    return new FieldError('must be absolute', 'begin it with /; in a chroot, name it as the account sees it');
  return /\p{Cc}|(^|\/)\.\.?(\/|$)/u.test(value) || value.length > 400
    ? new FieldError('must be a path without dot segments')
    : null;
}
