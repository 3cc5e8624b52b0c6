/**
 * `npm run e2e:devstack -- --devstack DIR`: jobs with real DevStack and Tempest on servers of a real OpenStack. DIR holds
 * checkouts or bare repositories of the projects that stack.sh clones. The first run prepares the root file system of the
 * servers, which takes 15 minutes or more and is kept. `--keep` leaves the cloud running for inspection. `--stack-time`
 * measures stack.sh without a cache, with squid and with a preseeded directory instead, on servers without the services that
 * it installs.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { collectionChecksum } from '../openstack/collection-checksum.ts';
import { runInCloud, vitest } from '../openstack/namespace.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DIRECTORY = process.env.SOS_CI_DEVSTACK ?? '/var/tmp/sos-ci-devstack';
const ROOT_FILE_SYSTEM = join(DIRECTORY, 'rootfs');
/** Names the revisions that the root file system was prepared with. */
const PREPARED = join(ROOT_FILE_SYSTEM, 'opt/git/prepared');
/** The cloud of `--stack-time`, with a root file system of its own. */
const STACK_TIME_DIRECTORY = `${DIRECTORY}-stack-time`;
/** Where `sos-ci setup ansible` installs. */
const SETUP = join(DIRECTORY, 'setup');
const PROJECTS = ['devstack', 'requirements', 'os-test-images', 'tempest', 'keystone', 'glance', 'cinder'];
/** What DevStack and os-test-images need and do not install. */
const PACKAGES = [
  ...[
    'systemd',
    'systemd-sysv',
    'dbus',
    'udev',
    'procps',
    'psmisc',
    'kmod',
    'acl',
    'less',
    'rsync',
    'curl',
    'wget',
  ],
  ...[
    'python3',
    'python3-venv',
    'ca-certificates',
    'locales',
    'netbase',
    'lsb-release',
    'iptables',
    'iputils-ping',
  ],
  ...['parted', 'genisoimage', 'uuid-runtime'],
];
const SETUP_LIMIT_MS = 10 * 60_000;
const PREPARE_LIMIT_MS = 3 * 3_600_000;
const SUITE_LIMIT_MS = 4 * 3_600_000;

function run(command: string, argv: readonly string[], limitMs: number): void {
  const env = { ...process.env, PATH: searchPath() };
  const { status } = spawnSync(command, argv, { cwd: ROOT, stdio: 'inherit', timeout: limitMs, env });
  if (status !== 0) throw new Error(`${command} ${argv.join(' ')} ended with ${status}`);
}

function searchPath(): string {
  return `${join(SETUP, 'ansible/bin')}:${process.env.PATH ?? '/usr/bin:/bin'}`;
}

/** The tip of each checkout. @throws Error naming what DIR lacks */
function readRevisions(directory: string): string {
  const lines = PROJECTS.map((name) => {
    const checkout = join(directory, name);
    const argv = ['-c', 'safe.directory=*', '-C', checkout, 'rev-parse', '--verify', 'HEAD'];
    const { status, stdout } = spawnSync('git', argv, { encoding: 'utf8' });
    if (status === 0) return `${name} ${stdout}`;
    const all = PROJECTS.map((project) => `openstack/${project}`).join(', ');
    throw new Error(
      `${checkout} is not a git repository; DIR must hold clones of ${all}, each under its short name`,
    );
  });
  return lines.join('');
}

function prepare(directory: string, revisions: string): void {
  run(process.execPath, ['dist/cli/main.js', 'setup', 'ansible', '--state', SETUP], SETUP_LIMIT_MS);
  if (!existsSync(PREPARED)) {
    const begin = performance.now();
    run(join(ROOT, 'test/e2e/devstack/prepare-root.sh'), [ROOT_FILE_SYSTEM, directory], PREPARE_LIMIT_MS);
    writeFileSync(PREPARED, revisions);
    console.log(`root file system prepared in ${Math.round((performance.now() - begin) / 1000)} s`);
  } else if (readFileSync(PREPARED, 'utf8') !== revisions)
    throw new Error(
      `${ROOT_FILE_SYSTEM} has other revisions than ${directory}: remove it to prepare another one`,
    );
}

function prepareStackTime(): void {
  const root = join(STACK_TIME_DIRECTORY, 'rootfs');
  if (existsSync(root)) return;
  if (!existsSync(PREPARED))
    throw new Error('run it without --stack-time first: that prepares the root file system');
  run(join(ROOT, 'test/e2e/devstack/remove-installed.sh'), [ROOT_FILE_SYSTEM, root], PREPARE_LIMIT_MS);
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const stackTime = args.includes('--stack-time');
  if (stackTime) args.splice(args.indexOf('--stack-time'), 1);
  const at = args.indexOf('--devstack');
  const [, word = ''] = at < 0 ? [] : args.splice(at, 2);
  if (word === '') {
    console.error(
      'usage: npm run e2e:devstack -- --devstack DIR [--stack-time] [--keep] [arguments for Vitest]',
    );
    return 2;
  }
  const directory = resolve(word);
  const revisions = readRevisions(directory);
  console.log(`ansible/: sha256 ${collectionChecksum()}\n${revisions}`);
  if (stackTime) prepareStackTime();
  return await runInCloud(
    {
      directory: stackTime ? STACK_TIME_DIRECTORY : DIRECTORY,
      kept: ['rootfs', 'setup'],
      command: [...vitest('vitest.devstack.config.ts'), stackTime ? 'stack-time.test' : 'devstack.test'],
      environment: {
        CLOUD_ROOT_PACKAGES: PACKAGES.join(','),
        CINDER_CHECKOUT: join(directory, 'cinder'),
        PATH: searchPath(),
      },
      prepare: () => prepare(directory, revisions),
      proxy: true,
      limitMs: SUITE_LIMIT_MS,
    },
    args,
  );
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 1;
});
