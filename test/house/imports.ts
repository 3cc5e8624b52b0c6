/** Who may import whom, and which folder is home to which library: the table of ARCHITECTURE.md, as code. */
import { importsOf, type Source } from './source.ts';

/** Every folder but machines may use these. */
const EVERYWHERE = ['errors', 'log', 'semaphore', 'terminal-text', 'timer'].map((name) => `src/${name}.ts`);

/** What others may know of the machines: domain words, and the events, effects and rows of the log. */
const VOCABULARY = ['src/machines/model/', 'src/machines/protocol/'];

/** The one SSH client, for Gerrit and for nodes. */
const SSH_CLIENT = 'src/adapters/ssh/client/';

/** Logs in to an OpenStack cloud and sends it requests. */
const OPENSTACK_SESSION = 'src/adapters/openstack/session/';

/** What several adapters share. */
const SHARED_ADAPTERS = [
  'src/adapters/run/',
  'src/adapters/openssh/',
  SSH_CLIENT,
  'src/adapters/tls/',
  OPENSTACK_SESSION,
  'src/adapters/timeout.ts',
];

/** The store keeps what deduplication works on. */
const DEDUPLICATION = 'src/machines/trigger/deduplication.ts';

/** Loads its library with the first pattern, so that the commands that need none start sooner. */
const LOADS_ON_USE = 'src/machines/trigger/rules/regex.ts';

/** The shape of the configuration: adapters may name it as a type only. */
const CONFIG_SHAPE = 'src/config/config.ts';

/** The command line reads the store, and asks the daemon. It starts nothing else outside of app. */
const CLI_ADAPTERS = ['src/adapters/sqlite/reader.ts', 'src/adapters/control/client.ts'];

const FOLDERS = ['machines', 'engine', 'adapters', 'config', 'app', 'cli', 'demo'];

/** One library has one home. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
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
    'src/config/',
    'src/adapters/ansible/',
    'src/adapters/command/',
    'src/adapters/control/',
    'src/adapters/gerrit/',
    'src/adapters/openstack/',
  ],
  commander: ['src/cli/'],
};

/** What a file may import of ours: paths, or folders that end in a slash. */
function allowed(path: string, typeOnly: boolean): readonly string[] {
  const [, folder = '', name = ''] = path.split('/');
  switch (folder) {
    case 'machines':
      return ['src/machines/'];
    case 'engine':
      return ['src/machines/', 'src/engine/', ...EVERYWHERE];
    case 'adapters': {
      const room = SHARED_ADAPTERS.find((shared) => path.startsWith(shared));
      const own = room ?? (name.endsWith('.ts') ? path : `src/adapters/${name}/`);
      // The host key of a server is asked for by the client, which knows nothing of OpenSSH's files.
      const below =
        room === 'src/adapters/openssh/'
          ? [SSH_CLIENT]
          : room === OPENSTACK_SESSION
            ? ['src/adapters/run/', 'src/adapters/tls/']
            : [];
      const shared = room === undefined ? SHARED_ADAPTERS : below;
      const store = own === 'src/adapters/sqlite/' ? [DEDUPLICATION] : [];
      const shape = typeOnly ? [CONFIG_SHAPE] : [];
      return [own, ...shared, 'src/engine/ports/', ...VOCABULARY, ...store, ...shape, ...EVERYWHERE];
    }
    case 'config':
      // The configuration tries each pattern and template with the code that will use it.
      return ['src/config/', ...VOCABULARY, 'src/machines/trigger/', 'src/machines/comment/', ...EVERYWHERE];
    case 'app':
      return allBut('cli', 'demo');
    case 'cli': {
      const demo = path === 'src/cli/commands/demo.ts' ? ['src/demo/'] : [];
      const own = [`src/${folder}/`, 'src/app/', 'src/config/', 'src/engine/ports/', 'src/machines/'];
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

function allBut(...folders: readonly string[]): readonly string[] {
  const rest = FOLDERS.filter((folder) => !folders.includes(folder)).map((folder) => `src/${folder}/`);
  return [...rest, ...EVERYWHERE, 'package.json'];
}

/** Files that belong to no folder, and imports that the table does not allow. */
export function importBreaches(file: Source): string[] {
  const [, folder = ''] = file.path.split('/');
  if (!FOLDERS.includes(folder) && !EVERYWHERE.includes(file.path))
    return [`${file.path} belongs to no folder`];
  return importsOf(file).flatMap(({ target, typeOnly, line }) => {
    const reason = objection(file.path, target, typeOnly);
    return reason === null ? [] : [`${file.path}:${line} imports ${target}: ${reason}`];
  });
}

function objection(from: string, target: string, typeOnly: boolean): string | null {
  if (target.startsWith('node:')) {
    if (target === 'node:module' && from === LOADS_ON_USE) return null;
    return from.startsWith('src/machines/') ? 'machines know nothing of the system they run on' : null;
  }
  if (target.startsWith('src/') || target === 'package.json') {
    const fits = (rule: string) => target === rule || (rule.endsWith('/') && target.startsWith(rule));
    return allowed(from, typeOnly).some(fits) ? null : 'not in the import table';
  }
  const homes = HOMES[target];
  if (homes === undefined) return 'a library without a home';
  return homes.some((home) => from.startsWith(home)) ? null : `its home is ${homes.join(' or ')}`;
}
