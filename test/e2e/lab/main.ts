/**
 * `npm run e2e:lab`: the whole mission on one machine, from packages alone. A push to a real Gerrit, a server with systemd in
 * a real OpenStack, the shipped roles, a stand-in for DevStack's stack.sh, Cinder from PyPI with the patch, real Tempest, and
 * the review. `--keep` leaves the cloud running for inspection.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { collectionChecksum } from '../openstack/collection-checksum.ts';
import { runInCloud } from '../openstack/namespace.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DIRECTORY = process.env.SOS_CI_LAB ?? '/var/tmp/sos-ci-lab';
/** Where `sos-ci setup ansible` installs. */
const SETUP = join(DIRECTORY, 'setup');
const CINDER = 'cinder-21.3.2.tar.gz';
const CINDER_SHA256 = '1ac3a856c4dfb2278d84ca74a438a7ec1f9d5733e656a3c6b9081d701c218752';
const INSTALL_LIMIT_MS = 10 * 60_000;
/** Installed on the servers beforehand: stack.sh installs nothing. */
const PACKAGES = [
  'systemd,systemd-sysv,dbus,acl,procps,ca-certificates,curl,python3-venv,python3-apt',
  'mariadb-server,rabbitmq-server,python3-keystone,glance-common,uwsgi-core,uwsgi-plugin-python3',
  'python3-cinder,qemu-utils,tempest',
].join(',');

function run(command: string, argv: readonly string[]): void {
  const { status } = spawnSync(command, argv, { cwd: ROOT, stdio: 'inherit', timeout: INSTALL_LIMIT_MS });
  if (status !== 0) throw new Error(`${command} ${argv.join(' ')} ended with ${status}`);
}

function prepare(): void {
  run(join(ROOT, 'test/e2e/lab/prepare-root.sh'), [join(DIRECTORY, 'rootfs')]);
  run(process.execPath, ['dist/cli/main.js', 'setup', 'ansible', '--state', SETUP]);
  const sources = join(DIRECTORY, 'sources');
  const archive = join(sources, CINDER);
  if (!existsSync(archive)) {
    const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', 'cinder', '--dest', sources];
    run(join(SETUP, 'ansible/bin/python'), [...pip, 'cinder==21.3.2']);
  }
  const sha256 = createHash('sha256').update(readFileSync(archive)).digest('hex');
  if (sha256 !== CINDER_SHA256) throw new Error(`${archive} is not the one that is expected: ${sha256}`);
}

process.exitCode = await runInCloud({
  directory: DIRECTORY,
  kept: ['rootfs', 'setup', 'sources'],
  config: 'vitest.lab.config.ts',
  environment: {
    CLOUD_ROOT_PACKAGES: PACKAGES,
    PATH: `${join(SETUP, 'ansible/bin')}:${process.env.PATH ?? '/usr/bin:/bin'}`,
    CINDER_SOURCE: join(DIRECTORY, 'sources', CINDER),
  },
  prepare,
  // 6 minutes on an idle machine.
  limitMs: 40 * 60_000,
});
console.log(`ansible/: sha256 ${collectionChecksum()}`);
