/**
 * Who may import whom, and which room is home to which library. The table of ARCHITECTURE.md, as code.
 */
import { importsOf, type Source } from './source.ts';

/** What adapters may know of the engine: its ports. */
const PORTS = [
  'src/engine/ports.ts',
  'src/engine/store.ts',
  'src/engine/intake-port.ts',
  'src/engine/control-port.ts',
];

/** What adapters and the configuration may know of the machines: their words. */
const VOCABULARY = [
  'vocabulary',
  'alarm',
  'events',
  'effects',
  'gerrit-event',
  'report',
  'row',
  'seen',
  'vigil/sight',
].map((name) => `src/machines/${name}.ts`);

/** The configuration's check tries every regular expression, and its result is the rules that the trigger takes. */
const RULES = ['src/machines/rules/'];
const TRIGGER = 'src/machines/trigger.ts';

/** The configuration tries the comment's template, and refuses names that a comment could not carry. */
const COMMENT = 'src/machines/comment/';

/** Anybody but the machines may use these. */
const EVERYWHERE = ['src/errors.ts', 'src/log.ts', 'src/plain-text.ts', 'src/timer.ts'];

/** What several adapters share: the protocol of a run, and OpenSSH's files. */
const SHARED = ['src/adapters/run/', 'src/adapters/openssh/', 'src/adapters/tls/'];

/** The shape of the configuration: adapters may name it as a type, and only as a type. */
const CONFIG_SHAPE = 'src/config/config.ts';

/** Read-only views of the store. */
const VIEWS = ['src/engine/store.ts', 'src/adapters/sqlite/reader.ts'];

/** What is asked of a running daemon, and its answers. */
const QUESTIONS = 'src/engine/control-port.ts';

/** The composition roots: they alone know everybody. */
const ROOT_FILES = [
  'daemon',
  'once',
  'world',
  'by-place',
  'roads',
  'beginning',
  'maintenance',
  'acceptance',
  'providers',
  'reload',
  'control',
  'ground',
  'gerrit-connections',
  'row-log',
  'rest',
  'explain',
  'event-export',
].map((name) => `src/${name}.ts`);

/** Commands that do more than ask. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'src/cli/daemon.ts': ['src/daemon.ts'],
  'src/cli/init.ts': ['src/beginning.ts'],
  'src/cli/doctor.ts': ['src/doctor/'],
  'src/cli/trigger.ts': ['src/explain.ts'],
  'src/cli/trigger-change.ts': ['src/explain.ts'],
  'src/cli/trigger-lines.ts': ['src/explain.ts'],
  'src/cli/events.ts': ['src/event-export.ts'],
  'src/cli/run.ts': ['src/daemon.ts', 'src/once.ts'],
  'src/cli/operate.ts': ['src/adapters/control/client.ts'],
  'src/cli/backup.ts': ['src/maintenance.ts'],
  'src/cli/confirm.ts': ['src/maintenance.ts'],
  'src/cli/rebuild.ts': ['src/maintenance.ts'],
  'src/cli/verify.ts': ['src/maintenance.ts'],
  'src/cli/demo.ts': ['src/demo/'],
};

/** One library has one home. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  xstate: ['src/machines/'],
  'better-sqlite3': ['src/adapters/sqlite/'],
  ssh2: ['src/adapters/gerrit/', 'src/adapters/ssh/', 'src/adapters/openssh/', 'src/demo/gerrit/'],
  execa: [
    'src/adapters/local/',
    'src/adapters/git/',
    'src/adapters/command/',
    'src/adapters/mail/',
    'src/adapters/openssh/',
  ],
  nodemailer: ['src/adapters/mail/'],
  pino: ['src/log.ts'],
  rxjs: ['src/adapters/gerrit/'],
  yaml: ['src/config/'],
  zod: ['src/config/', 'src/adapters/command/', 'src/adapters/control/', 'src/adapters/gerrit/'],
  commander: ['src/cli/main.ts', 'src/cli/flags.ts', 'src/cli/operators.ts'],
  re2js: ['src/machines/'],
};

/** What a file may import of ours: paths, or folders that end in a slash. */
function allowed(path: string, typeOnly: boolean): readonly string[] {
  const [, room = '', name = ''] = path.split('/');
  if (room === 'machines') return ['src/machines/'];
  if (room === 'engine') return ['src/machines/', 'src/engine/', 'src/errors.ts', 'src/log.ts'];
  if (room === 'adapters') {
    const own = name.endsWith('.ts') ? path : `src/adapters/${name}/`;
    const shared = SHARED.includes(own) ? [] : SHARED;
    return [own, ...shared, ...PORTS, ...VOCABULARY, ...EVERYWHERE, ...(typeOnly ? [CONFIG_SHAPE] : [])];
  }
  if (room === 'config')
    return ['src/config/', ...VOCABULARY, ...RULES, COMMENT, ...(typeOnly ? [TRIGGER] : []), ...EVERYWHERE];
  if (room === 'cli' || room === 'web') {
    return [
      `src/${room}/`,
      'src/machines/',
      'src/config/',
      ...VIEWS,
      QUESTIONS,
      ...EVERYWHERE,
      ...(COMMANDS[path] ?? []),
    ];
  }
  if (room === 'demo') return everythingBut('cli', 'web');
  if (room === 'doctor') return everythingBut('cli', 'demo');
  if (ROOT_FILES.includes(path)) return everythingBut('cli', 'demo');
  if (room === 'log.ts') return ['src/plain-text.ts'];
  return [];
}

function everythingBut(...rooms: readonly string[]): readonly string[] {
  const all = ['machines', 'engine', 'adapters', 'config', 'cli', 'web', 'demo', 'doctor'];
  const folders = all.filter((room) => !rooms.includes(room)).map((room) => `src/${room}/`);
  return [...folders, ...EVERYWHERE, ...ROOT_FILES, 'package.json'];
}

/** Files that belong to no room, and imports that the table does not allow. */
export function importBreaches(file: Source): string[] {
  const inRoom = /^src\/(machines|engine|adapters|config|cli|web|demo|doctor)\//.test(file.path);
  if (!inRoom && ![...ROOT_FILES, ...EVERYWHERE].includes(file.path))
    return [`${file.path} belongs to no room`];
  return importsOf(file).flatMap(({ target, typeOnly, line }) => {
    const reason = objection(file.path, target, typeOnly);
    return reason === null ? [] : [`${file.path}:${line} imports ${target}: ${reason}`];
  });
}

function objection(from: string, target: string, typeOnly: boolean): string | null {
  if (target.startsWith('node:')) {
    return from.startsWith('src/machines/') ? 'machines know nothing of the system they run on' : null;
  }
  if (target.startsWith('src/') || target === 'package.json') {
    const fits = (rule: string) => target === rule || (rule.endsWith('/') && target.startsWith(rule));
    if (target === 'package.json' && from.startsWith('src/cli/')) return null;
    return allowed(from, typeOnly).some(fits) ? null : 'not in the import table';
  }
  const homes = HOMES[target];
  if (homes === undefined) return 'a library without a home';
  return homes.some((home) => from.startsWith(home)) ? null : `its home is ${homes.join(' or ')}`;
}
