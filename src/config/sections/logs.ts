/** `logs`: where logs and other evidence are published. */
import { join } from 'node:path';
import { z } from 'zod';
import type { LogServerConfig, LogsConfig } from '../config.ts';
import { duration, FieldError, integer, optionalText, text } from '../fields/fields.ts';
import { hostName, userName, webAddress } from '../fields/validators.ts';
import { at, isMapping, type ReportProblem } from '../file/yaml-document.ts';

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

export const logs = z.strictObject({
  dir: optionalText({
    kind: 'path',
    about: 'where evidence is published on this host; by default logs in stateDir',
  }),
  ssh: ssh.optional(),
  url: text({
    kind: 'web address',
    default: '',
    check: webAddress,
    about: 'the address of logs.dir or logs.ssh.dir for readers; empty: the file:// address of logs.dir',
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
  /** Files and folders of one work tree that are examined. */
  maxEntries: 200_000,
  maxDepth: 32,
  /** Limit on skipped files that the manifest names; further ones are only counted. */
  maxIndexEntries: 1_000,
} as const;

const SSH_LIMITS = {
  connectTimeoutMs: 20_000,
  /** Below the idle timeout of common firewalls. Three missed keepalives end a dead connection after 45 s. */
  keepaliveMs: 15_000,
  keepaliveMax: 3,
  closeTimeoutMs: 1_000,
} as const;

export function buildLogs(
  { dir, ssh, url, keep }: z.output<typeof logs>,
  stateDir: string,
  path: (path: string) => string,
): LogsConfig {
  return {
    dir: dir === null ? join(stateDir, 'logs') : path(dir),
    ssh: ssh === undefined ? null : buildLogServer(ssh, path),
    url,
    keepMs: keep,
    limits: LIMITS,
  };
}

function buildLogServer(
  { host, port, user, key, knownHosts, dir }: z.output<typeof ssh>,
  path: (path: string) => string,
): LogServerConfig {
  return { ...SSH_LIMITS, host, port, user, keyFile: path(key), knownHostsFile: path(knownHosts), dir };
}

export function checkLogs(root: unknown, add: ReportProblem): void {
  const file = at(root, ['logs']);
  if (!isMapping(file) || !isMapping(file.ssh)) return;
  if (file.dir !== undefined) add(['logs', 'dir'], 'is set beside ssh', 'keep one of the two');
  const { url } = file;
  if (typeof url === 'string' && url !== '' && !url.startsWith('file:')) return;
  add(
    ['logs', 'ssh'],
    'needs logs.url',
    'add url: the https:// address at which the log server serves logs.ssh.dir',
  );
}

function remoteDirectory(value: string): FieldError | null {
  if (!value.startsWith('/'))
    return new FieldError('must be absolute', 'begin it with /; in a chroot, name it as the account sees it');
  return /\p{Cc}|(^|\/)\.\.?(\/|$)/u.test(value) || value.length > 400
    ? new FieldError('must be a path without dot segments')
    : null;
}
