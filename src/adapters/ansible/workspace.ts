/**
 * Writes the files for one run of a playbook to its run directory. Ansible writes nothing to the home of the daemon's
 * user, and reads only collections and roles there. Files have mode 0600, because they include variables.
 */
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlaybookStage } from '../../machines/model/domain.ts';
import { hostKeyLine } from '../openssh/known-hosts.ts';
import { optionPath } from '../openssh/option-path.ts';
import { writeAtomically } from '../run/atomic-file.ts';
import { errorCode } from '../run/fs-error.ts';
import type { NodeLogin } from '../run/playbook-node.ts';
import { shellQuoted } from '../run/shell-word.ts';
import { type RunStage, workTree } from '../run/stage-environment.ts';
import { yamlText } from './yaml-text.ts';

/** The collection sos_ci.openstack, in the sources and beside dist. */
const COLLECTION = fileURLToPath(new URL('../../../ansible', import.meta.url));
/** The node's name in the inventory. */
const NODE = 'node';
/** The node's name in known_hosts, instead of an address. */
const ALIAS = 'sos-ci-node';
/** No connection outlives ansible-playbook. */
const NO_MASTER = '-o ControlMaster=no -o ControlPath=none';
const KEEPALIVE = '-o ServerAliveInterval=15 -o ServerAliveCountMax=3';

const SETTINGS = `[defaults]
callbacks_enabled = sos_ci.openstack.events
fact_caching = memory
host_key_checking = True
interpreter_python = auto_silent
nocolor = True
nocows = True
retry_files_enabled = False
timeout = 30

[connection]
pipelining = True

[ssh_connection]
retries = 3
ssh_args = ${NO_MASTER} ${KEEPALIVE}
`;

/** The workspace in a run directory. It is created before all other files of the run. */
export function workspaceDirectory(runDirectory: string): string {
  return join(runDirectory, 'ansible');
}

/** Where the callback plugin writes. */
export function eventsFile(runDirectory: string): string {
  return join(workspaceDirectory(runDirectory), 'events.jsonl');
}

export interface Workspace {
  /** The options of ansible-playbook for the inventory and the variables. */
  readonly options: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Idempotent. */
export async function writeWorkspace(
  runDirectory: string,
  request: RunStage,
  playbook: PlaybookStage['playbook'],
  login: NodeLogin,
): Promise<Workspace> {
  const pathOf = await prepareWorkspace(runDirectory);
  await writeAtomically(pathOf('known_hosts'), login.hostKeys.map((key) => hostKeyLine(ALIAS, key)).join(''));
  await writeAtomically(pathOf('node.json'), JSON.stringify(inventory(login, pathOf('known_hosts'))));
  await writeAtomically(
    pathOf('variables.yml'),
    yamlText(playbook.variables, { sos_ci: facts(request, login) }),
  );
  const inventories = [...(playbook.inventory === null ? [] : [playbook.inventory]), pathOf('node.json')];
  const variables = [...playbook.variableFiles, pathOf('variables.yml')];
  return {
    options: [
      ...inventories.flatMap((file) => ['-i', file]),
      ...variables.flatMap((file) => ['-e', `@${file}`]),
    ],
    environment: { ...environment(pathOf, runDirectory), SOS_CI_SERVER: request.run.server.id },
  };
}

/** Writes the files that every run needs. @returns a function from a name to its path in the workspace */
async function prepareWorkspace(runDirectory: string): Promise<(name: string) => string> {
  const directory = workspaceDirectory(runDirectory);
  const pathOf = (name: string) => join(directory, name);
  for (const name of ['home', 'tmp', join('collections', 'ansible_collections', 'sos_ci')])
    await mkdir(pathOf(name), { recursive: true, mode: 0o700 });
  await link(COLLECTION, pathOf('collections/ansible_collections/sos_ci/openstack'));
  await writeAtomically(pathOf('ansible.cfg'), SETTINGS);
  return pathOf;
}

/** Writes the workspace of a playbook without a node. @param facts its variable `sos_ci`; never templates */
export async function writePlainWorkspace(
  runDirectory: string,
  playbook: Pick<PlaybookStage['playbook'], 'inventory' | 'variableFiles'>,
  facts: Readonly<Record<string, unknown>>,
): Promise<Workspace> {
  const pathOf = await prepareWorkspace(runDirectory);
  await writeAtomically(pathOf('variables.yml'), yamlText({}, { sos_ci: facts }));
  const variables = [...playbook.variableFiles, pathOf('variables.yml')];
  return {
    options: [
      ...['-i', playbook.inventory ?? 'localhost,'],
      ...variables.flatMap((file) => ['-e', `@${file}`]),
    ],
    environment: environment(pathOf, runDirectory),
  };
}

function environment(pathOf: (name: string) => string, runDirectory: string) {
  return {
    LANG: 'C.UTF-8',
    HOME: pathOf('home'),
    TMPDIR: pathOf('tmp'),
    // Output appears during the run; the collection's directory may be read-only.
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    ANSIBLE_CONFIG: pathOf('ansible.cfg'),
    ANSIBLE_HOME: pathOf('home'),
    ANSIBLE_LOCAL_TEMP: pathOf('tmp'),
    ANSIBLE_COLLECTIONS_PATH: [
      pathOf('collections'),
      userDirectory('collections'),
      '/usr/share/ansible/collections',
    ].join(':'),
    ANSIBLE_ROLES_PATH: [userDirectory('roles'), '/usr/share/ansible/roles', '/etc/ansible/roles'].join(':'),
    SOS_CI_EVENTS: eventsFile(runDirectory),
  };
}

/** Ansible reads it after the operator's inventory, which thus cannot change how the node is reached. */
function inventory({ host, port, user, keyFile, hostKeys }: NodeLogin, knownHosts: string) {
  if (hostKeys.length === 0) throw new Error('a node without a pinned host key');
  const settings = [
    ['UserKnownHostsFile', optionPath('start stage', knownHosts)],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['StrictHostKeyChecking', 'yes'],
    ['HostKeyAlias', ALIAS],
    ['IdentitiesOnly', 'yes'],
    ['IdentityAgent', 'none'],
  ]
    // Ansible splits them as a shell does.
    .map(([name, value]) => `-o ${shellQuoted(`${name}=${value}`)}`);
  const node = {
    ansible_connection: 'ssh',
    ansible_host: host,
    ansible_port: port,
    ansible_user: user,
    ansible_ssh_private_key_file: keyFile,
    ansible_ssh_args: `${NO_MASTER} ${KEEPALIVE}`,
    ansible_ssh_common_args: ['-F none', ...settings].join(' '),
  };
  return { all: { hosts: { [NODE]: node } } };
}

/** The variable `sos_ci` for our roles and the module `run`. Foreign text in it is never a template. */
function facts(
  { run, name, spec, patchset, trees = [] }: RunStage,
  { directory, runDirectory, secrets }: NodeLogin,
) {
  const { owner, stage, server } = run;
  const { project, branch, change, patchset: number, ref, revision } = patchset;
  const paths = trees.map((tree, index) => ({
    project: tree.project,
    path: index === 0 ? workTree(directory) : join(directory, 'dependencies', tree.project),
  }));
  return {
    ...{
      job: owner.job,
      name,
      attempt: owner.attempt,
      stage,
      // Seconds, as Ansible's tasks count them.
      timeout: Math.ceil(spec.timeoutMs / 1000),
      deployment: owner.deployment,
      server: server.id,
    },
    ...{ project, branch, change, patchset: number, ref, revision },
    worktree: workTree(directory),
    trees: paths.length === 0 ? [{ project, path: workTree(directory) }] : paths,
    run_directory: runDirectory,
    secrets,
  };
}

async function link(target: string, path: string): Promise<void> {
  await symlink(target, path).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
}

/** The files that every playbook may read: the collections and roles of this host, Ansible, and its Python. */
export async function searchedDirectories(ansible: string): Promise<readonly string[]> {
  const program = dirname(dirname(ansible));
  const settings = await readFile(join(program, 'pyvenv.cfg'), 'utf8').catch(() => '');
  const [, python] = /^home = (\/.*)$/m.exec(settings) ?? [];
  return [
    ...[COLLECTION, userDirectory('collections'), userDirectory('roles'), '/etc/ansible/roles', program],
    ...(python === undefined ? [] : [dirname(python)]),
  ];
}

function userDirectory(name: string): string {
  return join(homedir(), '.ansible', name);
}
