/** A vendor's lab: a mirror with DevStack's stand-in, openstack/cinder in Gerrit, and a job with the preset. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gitEnvironment } from '../../../src/demo/gerrit/repository.ts';
import type { TestCase } from '../gerrit/case.ts';
import type { Checkout } from '../gerrit/checkout.ts';
import type { Testbed } from '../gerrit/testbed.ts';
import { newCloudCase } from '../openstack/case.ts';
import type { Cloud } from '../openstack/cloud.ts';

const DEVSTACK = fileURLToPath(new URL('devstack', import.meta.url));
/** The address of the cloud's bridge, at which servers reach this host. */
const MIRROR = '192.0.2.1';
const PROJECT = 'openstack/cinder';
const LIMIT_MS = 1_740_000;
const NFS = '/opt/stack/data/cinder';

const DRIVER = 'cinder/volume/drivers/nfs.py';
const EXTENDING = "        LOG.info('Extending volume %s.', volume.id)\n";
/** In the driver of the broken change. */
export const REASON = 'this back end does not extend';

/** A change to one file of Cinder. */
interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const EDITS = {
  good: { file: 'README.rst', from: 'Cinder', to: 'Cinder for Acme' },
  broken: {
    file: DRIVER,
    from: EXTENDING,
    to: `${EXTENDING}        raise exception.ExtendVolumeError(reason='${REASON}')\n`,
  },
  unstackable: {
    file: 'cinder/db/migration.py',
    from: 'import os\n',
    to: "raise RuntimeError('no migration')\n",
  },
} as const satisfies Readonly<Record<string, Edit>>;

export interface LabOptions {
  /** Runs at the end of stack.sh, as in DevStack. */
  readonly localScript: string;
  /** Variables in a file that only the daemon's user can read. */
  readonly secretVariables: Readonly<Record<string, string>>;
  /** A secret of the job. */
  readonly secret: string;
}

export class Lab {
  readonly case: TestCase;
  readonly checkout: Checkout;
  readonly #mirror: ChildProcess;

  private constructor(testCase: TestCase, checkout: Checkout, mirror: ChildProcess) {
    this.case = testCase;
    this.checkout = checkout;
    this.#mirror = mirror;
  }

  static async make(testbed: Testbed, cloud: Cloud, options: LabOptions): Promise<Lab> {
    const testCase = await newCloudCase(testbed, cloud, {
      limitMs: LIMIT_MS,
      provider: { flavor: 'large' },
      top: { jobs: { 'acme-iscsi': job() } },
    });
    const file = (name: string, text: string): void =>
      writeFileSync(join(testCase.directory, name), text, { mode: 0o600 });
    file('acme-secrets.yml', JSON.stringify(options.secretVariables));
    file('array-token', options.secret);
    const mirror = startMirror(join(testCase.directory, 'mirror'), options.localScript);
    return new Lab(testCase, await fillProject(testCase), mirror);
  }

  /** Pushes a change to Gerrit; the result is its number. */
  async push({ file, from, to }: Edit): Promise<number> {
    const before = await this.checkout.git('show', `${await this.checkout.tip()}:${file}`);
    if (!before.includes(from)) throw new Error(`${file} has no ${from}`);
    return this.checkout.push({ files: { [file]: before.replace(from, to) } });
  }

  stop(): void {
    // git starts its daemon as a child.
    if (this.#mirror.pid !== undefined) process.kill(-this.#mirror.pid);
  }
}

/** As docs/devstack.md shows it. */
function job(): Readonly<Record<string, unknown>> {
  const options = {
    nfs_shares_config: '/etc/cinder/nfs_shares',
    nfs_mount_point_base: `${NFS}/mnt`,
    nfs_snapshot_support: true,
    // The driver makes snapshots only without these.
    nas_secure_file_operations: false,
    nas_secure_file_permissions: false,
    san_ip: '192.0.2.10',
    san_login: 'ci',
    san_password: '{{ acme_password }}',
  };
  return {
    preset: 'devstack-tempest',
    project: PROJECT,
    provider: 'lab',
    backend: { name: 'acme', driver: 'cinder.volume.drivers.nfs.NfsDriver', options },
    tempest: { regex: '^tempest.api.volume.test_volumes_(extend|get|list)', concurrency: 2 },
    variables: {
      devstack_git_base: `git://${MIRROR}`,
      tempest_venv: '/usr',
      devstack_localrc: { ACME_PASSWORD: '{{ acme_password }}', BUILD_TIMEOUT: 60 },
    },
    variableFiles: ['acme-secrets.yml'],
    secrets: [{ file: 'array-token' }],
    exposesSecretsTo: 'anyone',
    limits: { setupAttempts: 1 },
  };
}

/** Serves openstack/devstack with git's own daemon. */
function startMirror(directory: string, localScript: string): ChildProcess {
  const work = join(directory, 'work');
  const git = (...argv: string[]): void => {
    execFileSync('git', argv, { cwd: work, env: gitEnvironment(IDENTITY), stdio: 'ignore' });
  };
  mkdirSync(work, { recursive: true });
  cpSync(DEVSTACK, work, { recursive: true });
  writeFileSync(join(work, 'local.sh'), localScript, { mode: 0o755 });
  git('init', '--quiet', '--initial-branch=master');
  git('add', '--all');
  git('commit', '--quiet', '--message', 'Stand in for DevStack');
  git('clone', '--quiet', '--bare', '.', join(directory, 'openstack', 'devstack.git'));
  const options = ['--reuseaddr', '--export-all', `--base-path=${directory}`, `--listen=${MIRROR}`];
  const detached = { detached: true, stdio: 'ignore', env: gitEnvironment(IDENTITY) } as const;
  return spawn('git', ['daemon', ...options, directory], detached);
}

const IDENTITY = {
  GIT_AUTHOR_NAME: 'Acme',
  GIT_AUTHOR_EMAIL: 'ci@example.org',
  GIT_COMMITTER_NAME: 'Acme',
  GIT_COMMITTER_EMAIL: 'ci@example.org',
};

/** Pushes the source distribution as the tip of the branch, past review. */
async function fillProject(testCase: TestCase): Promise<Checkout> {
  const [admin, dev] = [testCase.cloneOf(PROJECT, 'admin'), testCase.cloneOf(PROJECT, 'dev')];
  await admin.make();
  await admin.git('checkout', '--quiet', '--detach', await admin.tip());
  const archive = process.env.CINDER_SOURCE ?? '';
  const options = ['--no-same-owner', '--strip-components=1', '-xzf', archive];
  execFileSync('tar', ['-C', admin.directory, ...options]);
  await admin.git('add', '--all', '--force');
  await admin.git('commit', '--quiet', '--message', `Import ${basename(archive, '.tar.gz')}`);
  await admin.git('push', '--quiet', 'origin', 'HEAD:refs/heads/master');
  await dev.make();
  return dev;
}
