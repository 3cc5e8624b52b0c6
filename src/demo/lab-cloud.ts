/**
 * The OpenStack of the demo: the embedded one, and a job that runs on its servers. A playbook sets them up if this host has
 * an Ansible, else a script. Each server is a scratch directory behind this host's own sshd.
 */
import { constants } from 'node:fs';
import { access, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findAnsible, readAnsibleVersion } from '../adapters/ansible/find-ansible.ts';
import { DEFAULT_STATE_DIR, findStateDir } from '../config/file/state-dir.ts';
import { OperationError } from '../errors.ts';
import { makeKeyPair } from './gerrit/key-pair.ts';
import { CREDENTIALS } from './openstack/cloud-state.ts';
import { EmbeddedOpenStack } from './openstack/embedded-openstack.ts';
import { CLOUD_PROJECT } from './sample-project.ts';

/** What this host has for the scene. */
export interface LabPrograms {
  /** The absolute path of sshd. */
  readonly sshd: string;
  /** The absolute path of ansible-playbook, or why there is none. */
  readonly ansible: { readonly program: string } | { readonly why: string };
}

/** Where distributions keep sshd, which is not in the PATH of every account. */
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/sbin'];
const LAB = fileURLToPath(new URL('./lab/', import.meta.url));

/** Null: there is no sshd. @param main the CLI's main file */
export async function findLabPrograms(
  main: string,
  signal: AbortSignal,
  directories: readonly string[] = [...(process.env.PATH ?? '').split(path.delimiter), ...SYSTEM_DIRECTORIES],
): Promise<LabPrograms | null> {
  const files = directories
    .filter((directory) => path.isAbsolute(directory))
    .map((directory) => path.join(directory, 'sshd'));
  const found = files.map((file) => access(file, constants.X_OK).then(() => file));
  const sshd = await Promise.any(found).catch(() => null);
  return sshd === null ? null : { sshd, ansible: await usableAnsible(main, directories, signal) };
}

/** Looks first where `sos-ci setup ansible` installs it when it is called here. */
async function usableAnsible(
  main: string,
  directories: readonly string[],
  signal: AbortSignal,
): Promise<LabPrograms['ansible']> {
  const stateDir = (await findStateDir('sos-ci.yaml')) ?? path.resolve(DEFAULT_STATE_DIR);
  try {
    const program = await findAnsible(stateDir, directories.join(path.delimiter));
    await readAnsibleVersion(program, signal);
    return { program };
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return { why: `${error.message} (node ${main} setup ansible --state ${stateDir})` };
  }
}

export class LabCloud {
  readonly programs: LabPrograms;
  readonly #directory: string;
  readonly #cloud: EmbeddedOpenStack;

  private constructor(directory: string, programs: LabPrograms, cloud: EmbeddedOpenStack) {
    this.#directory = directory;
    this.programs = programs;
    this.#cloud = cloud;
  }

  /** @param directory exists; everything is created below it */
  static async start(directory: string, programs: LabPrograms): Promise<LabCloud> {
    const root = path.join(directory, 'openstack');
    await mkdir(root, { mode: 0o700 });
    const cloud = await EmbeddedOpenStack.start(programs.sshd, root);
    const lab = new LabCloud(root, programs, cloud);
    const { id, secret } = CREDENTIALS.applicationCredential;
    const openrc = [
      `export OS_AUTH_URL=${cloud.authUrl}`,
      `export OS_APPLICATION_CREDENTIAL_ID=${id}`,
      `export OS_APPLICATION_CREDENTIAL_SECRET='${secret}'`,
    ];
    await writeFile(lab.#path('openrc'), `${openrc.join('\n')}\n`, { mode: 0o600 });
    await writeFile(lab.#path('key'), makeKeyPair('demo').privateKey, { mode: 0o600 });
    return lab;
  }

  get authUrl(): string {
    return this.#cloud.authUrl;
  }

  /** How many servers were ordered since the start. */
  get orders(): number {
    return this.#cloud.changes.filter((call) => call === 'POST compute servers').length;
  }

  /** What the cloud's own lists still show. */
  get left(): readonly string[] {
    const { servers, ports, floating, keyPairs, volumes } = this.#cloud.state;
    return [
      ...[...servers.values()].filter(({ deleting }) => !deleting).map(({ name }) => `server ${name}`),
      ...[...ports.keys()].map((id) => `port ${id}`),
      ...[...floating.values()].map(({ address }) => `floating IP ${address}`),
      ...[...keyPairs.keys()].map((name) => `key pair ${name}`),
      ...[...volumes.keys()].map((id) => `volume ${id}`),
    ];
  }

  /** The provider, one line for `providers`. */
  provider(): string {
    const ssh = { key: this.#path('key'), port: this.#cloud.guests.port, directory: this.#path('nodes') };
    const names = { image: 'ubuntu-24.04', flavor: 'm1.small', networks: ['private'] };
    return JSON.stringify({ type: 'openstack', openrc: this.#path('openrc'), ...names, ssh });
  }

  /** The job, one line for `jobs`. */
  job(): string {
    const stacking =
      'program' in this.programs.ansible
        ? { playbook: path.join(LAB, 'stack.yml') }
        : { script: [path.join(LAB, 'stack.sh')] };
    const to = (reporter: string, destination: string) => [
      `--test-reporter=${reporter}`,
      `--test-reporter-destination=${destination}`,
    ];
    const reporters = [...to('spec', 'stdout'), ...to('./subunit-reporter.mjs', 'results.subunit')];
    return JSON.stringify({
      project: CLOUD_PROJECT,
      provider: 'lab',
      stacking: { ...stacking, timeout: '1m' },
      testing: {
        command: ['node', '--test', ...reporters],
        timeout: '1m',
        results: { format: 'subunit', file: 'results.subunit' },
      },
      limits: { setupRetryDelay: '1s' },
    });
  }

  stop(): Promise<void> {
    return this.#cloud.stop();
  }

  #path(name: string): string {
    return path.join(this.#directory, name);
  }
}
