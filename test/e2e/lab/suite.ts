/** What the tests from push to review on one machine need: the cloud, the packages of its servers, Ansible, and Cinder from PyPI. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CloudSuite, hostRelease } from '../openstack/namespace.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Where the cloud and everything that is downloaded is. */
export const LAB_DIRECTORY = process.env.SOS_CI_LAB ?? '/var/tmp/sos-ci-lab';
/** Where `sos-ci setup ansible` installs. */
const SETUP = join(LAB_DIRECTORY, 'setup');
/** Of the series that the packages of the servers belong to. */
const CINDER = {
  bookworm: {
    version: '21.3.2',
    sha256: '1ac3a856c4dfb2278d84ca74a438a7ec1f9d5733e656a3c6b9081d701c218752',
  },
  noble: {
    version: '24.2.0',
    sha256: '170440a7ceedb74c27b28aadb76288d9cf886cef9fd7dc6f083f6268ad5d50a6',
  },
}[hostRelease() ?? 'bookworm'];
const ARCHIVE = `cinder-${CINDER.version}.tar.gz`;
const INSTALL_LIMIT_MS = 10 * 60_000;
/** Installed on the servers beforehand: stack.sh installs nothing. */
const PACKAGES = [
  'systemd,systemd-sysv,dbus,acl,procps,ca-certificates,curl,python3-venv,python3-apt',
  'mariadb-server,rabbitmq-server,python3-keystone,python3-glance,glance-common,uwsgi-core,uwsgi-plugin-python3',
  'python3-cinder,qemu-utils,tempest',
].join(',');

function run(command: string, argv: readonly string[]): void {
  const { status } = spawnSync(command, argv, { cwd: ROOT, stdio: 'inherit', timeout: INSTALL_LIMIT_MS });
  if (status !== 0) throw new Error(`${command} ${argv.join(' ')} ended with ${status}`);
}

function prepare(): void {
  run(join(ROOT, 'test/e2e/lab/prepare-root.sh'), [join(LAB_DIRECTORY, 'rootfs')]);
  run(process.execPath, ['dist/cli/main.js', 'setup', 'ansible', '--state', SETUP]);
  const sources = join(LAB_DIRECTORY, 'sources');
  const archive = join(sources, ARCHIVE);
  if (!existsSync(archive)) {
    const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', 'cinder', '--dest', sources];
    run(join(SETUP, 'ansible/bin/python'), [...pip, `cinder==${CINDER.version}`]);
  }
  const sha256 = createHash('sha256').update(readFileSync(archive)).digest('hex');
  if (sha256 !== CINDER.sha256) throw new Error(`${archive} is not the one that is expected: ${sha256}`);
}

export const LAB: Omit<CloudSuite, 'command'> = {
  directory: LAB_DIRECTORY,
  kept: ['rootfs', 'setup', 'sources', 'pages'],
  environment: {
    CLOUD_ROOT_PACKAGES: PACKAGES,
    PATH: `${join(SETUP, 'ansible/bin')}:${process.env.PATH ?? '/usr/bin:/bin'}`,
    CINDER_SOURCE: join(LAB_DIRECTORY, 'sources', ARCHIVE),
  },
  prepare,
  // 6 minutes on an idle machine.
  limitMs: 40 * 60_000,
};
