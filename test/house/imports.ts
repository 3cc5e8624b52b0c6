/** Which directory may import which, and which may use which library: the table of ARCHITECTURE.md as code. */
import { importsOf, type Source } from './source.ts';

/** Every directory except machines may import these. */
const EVERYWHERE = ['errors', 'log', 'semaphore', 'terminal-text', 'timer'].map((name) => `src/${name}.ts`);

/** The parts of the machines that others may import: domain types, and the events, effects and rows of the log. */
const VOCABULARY = ['src/machines/model/', 'src/machines/protocol/'];

/** The one SSH client, for Gerrit, nodes and log servers. */
const SSH_CLIENT = 'src/adapters/ssh/client/';

/** Logs in to an OpenStack cloud and sends it requests. */
const OPENSTACK_SESSION = 'src/adapters/openstack/session/';

/** Code that several adapters share. */
const SHARED_ADAPTERS = [
  'src/adapters/run/',
  'src/adapters/openssh/',
  SSH_CLIENT,
  'src/adapters/tls/',
  OPENSTACK_SESSION,
];

/** The store saves the data of deduplication. */
const DEDUPLICATION = 'src/machines/trigger/deduplication.ts';

/** Loads its library with the first pattern, so that commands without patterns start faster. */
const LAZY_LOADER = 'src/machines/trigger/rules/regex.ts';

/** The shape of the configuration: adapters may name it as a type only. */
const CONFIG_SHAPE = ['src/config/config.ts', 'src/config/logs-config.ts'];

/** The command line reads the store and sends requests to the daemon. It uses no other adapter directly. */
const CLI_ADAPTERS = ['src/adapters/sqlite/reader.ts', 'src/adapters/control/client.ts'];

const DIRECTORIES = ['machines', 'engine', 'adapters', 'config', 'app', 'cli', 'demo'];

/** The directories and files that may import a library. */
const LIBRARY_DIRECTORIES: Readonly<Record<string, readonly string[]>> = {
  xstate: ['src/machines/'],
  re2js: ['src/machines/'],
  'better-sqlite3': ['src/adapters/sqlite/'],
  ssh2: [SSH_CLIENT, 'src/adapters/openssh/key-file.ts', 'src/demo/gerrit/'],
  execa: [
    'src/adapters/ansible/',
    'src/adapters/local/',
    'src/adapters/git/',
    'src/adapters/command/',
    'src/adapters/mail/',
    'src/adapters/openssh/',
  ],
  nodemailer: ['src/adapters/mail/'],
  pino: ['src/log.ts'],
  rxjs: ['src/adapters/gerrit/stream/', 'src/engine/intake/', 'src/engine/ports/delay.ts'],
  yaml: ['src/config/', OPENSTACK_SESSION],
  zod: [
    'src/cli/schemas/',
    'src/cli/commands/schema.ts',
    'src/config/',
    'src/cli/input/parse-event.ts',
    'src/adapters/ansible/',
    'src/adapters/command/',
    'src/adapters/control/',
    'src/adapters/evidence/swift/',
    'src/adapters/gerrit/',
    'src/adapters/janitor/',
    'src/adapters/openstack/',
  ],
  commander: ['src/cli/'],
  ink: ['src/cli/player/view.ts'],
  react: ['src/cli/player/view.ts'],
  '@dagrejs/dagre': ['src/cli/diagram/svg.ts'],
  '@bomb.sh/tab': ['src/cli/commands/completion.ts'],
  croner: ['src/config/fields/schedule.ts'],
};

/** The files of this repository that a file may import: paths, or directories that end in a slash. */
function allowed(path: string, typeOnly: boolean): readonly string[] {
  const [, directory = '', name = ''] = path.split('/');
  switch (directory) {
    case 'machines':
      return ['src/machines/'];
    case 'engine':
      return ['src/machines/', 'src/engine/', ...EVERYWHERE];
    case 'adapters': {
      const sharedDirectory = SHARED_ADAPTERS.find((shared) => path.startsWith(shared));
      const own = sharedDirectory ?? (name.endsWith('.ts') ? path : `src/adapters/${name}/`);
      // The OpenSSH files get the host key of a server through the SSH client, which must not import them.
      const below =
        sharedDirectory === 'src/adapters/openssh/'
          ? [SSH_CLIENT]
          : sharedDirectory === OPENSTACK_SESSION
            ? ['src/adapters/run/', 'src/adapters/tls/']
            : [];
      const shared = sharedDirectory === undefined ? SHARED_ADAPTERS : below;
      const store = own === 'src/adapters/sqlite/' ? [DEDUPLICATION] : [];
      const shape = typeOnly ? CONFIG_SHAPE : [];
      return [own, ...shared, 'src/engine/ports/', ...VOCABULARY, ...store, ...shape, ...EVERYWHERE];
    }
    case 'config':
      // The configuration validates each pattern and template with the code that later uses it.
      return ['src/config/', ...VOCABULARY, 'src/machines/trigger/', 'src/machines/comment/', ...EVERYWHERE];
    case 'app':
      return allBut('cli', 'demo');
    case 'cli': {
      const demo = path === 'src/cli/commands/demo.ts' ? ['src/demo/'] : [];
      const own = [`src/${directory}/`, 'src/app/', 'src/config/', 'src/engine/ports/', 'src/machines/'];
      return [...own, ...CLI_ADAPTERS, ...demo, ...EVERYWHERE, 'package.json'];
    }
    case 'demo':
      return allBut('cli');
    case 'log.ts':
      return ['src/terminal-text.ts'];
    default:
      return [];
  }
}

function allBut(...directories: readonly string[]): readonly string[] {
  const rest = DIRECTORIES.filter((directory) => !directories.includes(directory)).map(
    (directory) => `src/${directory}/`,
  );
  return [...rest, ...EVERYWHERE, 'package.json'];
}

/** Files that belong to no directory, and imports that the table does not allow. */
export function importViolations(file: Source): string[] {
  const [, directory = ''] = file.path.split('/');
  if (!DIRECTORIES.includes(directory) && !EVERYWHERE.includes(file.path))
    return [`${file.path} belongs to no directory`];
  return importsOf(file).flatMap(({ target, typeOnly, line }) => {
    const reason = reasonAgainst(file.path, target, typeOnly);
    return reason === null ? [] : [`${file.path}:${line} imports ${target}: ${reason}`];
  });
}

function reasonAgainst(from: string, target: string, typeOnly: boolean): string | null {
  if (target.startsWith('node:')) {
    if (target === 'node:module' && from === LAZY_LOADER) return null;
    return from.startsWith('src/machines/') ? 'machines use no module of Node' : null;
  }
  if (target.startsWith('src/') || target === 'package.json') {
    const fits = (rule: string) => target === rule || (rule.endsWith('/') && target.startsWith(rule));
    return allowed(from, typeOnly).some(fits) ? null : 'not in the import table';
  }
  const users = LIBRARY_DIRECTORIES[target];
  if (users === undefined) return 'no directory may use this library';
  return users.some((user) => from.startsWith(user)) ? null : `only ${users.join(' and ')} may import it`;
}
