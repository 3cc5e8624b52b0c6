/**
 * Runs ansible-playbook in a bubblewrap sandbox. Of this host's files it sees only system programs, the directories of
 * the playbook and of the run, the operator's inventory and variables, and the node's key. The network is not
 * restricted.
 */
export interface Confined {
  /** Read by the playbook: files and directories. */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** Masked if they are inside a readable directory. */
  readonly hidden: readonly string[];
}

const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64'];
/** Files that programs need for names, accounts, certificates and time. */
const SYSTEM_FILES = [
  ...[
    'alternatives',
    'ca-certificates',
    'crypto-policies',
    'group',
    'host.conf',
    'hosts',
    'ld.so.cache',
    'ld.so.conf',
  ],
  ...[
    'ld.so.conf.d',
    'localtime',
    'nsswitch.conf',
    'passwd',
    'pki',
    'protocols',
    'resolv.conf',
    'services',
    'ssl',
  ],
].map((name) => `/etc/${name}`);

export function confinedCommand(
  bubblewrap: string,
  { readable, writable, hidden }: Confined,
  argv: readonly string[],
): readonly string[] {
  const files = readable.filter((path) => !SYSTEM.some((directory) => isInside(path, directory)));
  const exposed = hidden.filter((path) =>
    [...files, ...SYSTEM].some((directory) => isInside(path, directory)),
  );
  return [
    bubblewrap,
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent', '--new-session'],
    ...['--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp', '--tmpfs', '/run'],
    ...[...SYSTEM, ...SYSTEM_FILES].flatMap((path) => ['--ro-bind-try', path, path]),
    ...files.flatMap((path) => ['--ro-bind-try', path, path]),
    ...exposed.flatMap((path) => ['--ro-bind', '/dev/null', path]),
    ...writable.flatMap((path) => ['--bind', path, path]),
    '--',
    ...argv,
  ];
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
