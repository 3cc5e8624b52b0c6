/**
 * Installs Ansible into a virtual environment below the state directory, from a list with versions and hashes. The new
 * environment replaces the old one when it is complete; running playbooks keep the old one.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { OperationError } from '../../errors.ts';
import { fileError } from '../run/fs-error.ts';
import { environmentDirectory } from './find-ansible.ts';

export interface InstallOptions {
  readonly stateDir: string;
  /** The Python of the environment. */
  readonly python: string;
  /** Packages with versions and hashes, as pip reads them. */
  readonly requirements?: string;
}

const REQUIREMENTS = fileURLToPath(new URL('./requirements.txt', import.meta.url));
/** Written last. */
const COMPLETE = 'complete';
/** 60 MB over a slow line. */
const TIMEOUT_MS = 1_800_000;
const MAX_OUTPUT_BYTES = 1024 ** 2;
/** Variables that pip needs to reach a package index from a lab's network. */
const PASSED_VARIABLES = [
  ...['PATH', 'HOME', 'LANG', 'TMPDIR', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE'],
  ...['PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL', 'PIP_CERT', 'PIP_CONFIG_FILE', 'PIP_TRUSTED_HOST'],
  ...['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'],
];

/** @returns false if it was already installed */
export async function installAnsible(
  { stateDir, python, requirements = REQUIREMENTS }: InstallOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const current = environmentDirectory(stateDir);
  try {
    const list = await readFile(requirements);
    const name = `ansible-${createHash('sha256').update(list).digest('hex').slice(0, 12)}`;
    const directory = join(stateDir, name);
    const previous = await readlink(current).catch(() => null);
    const complete = await readFile(join(directory, COMPLETE)).then(
      () => true,
      () => false,
    );
    if (complete && previous === name) return false;
    if (!complete) await makeEnvironment(directory, { python, requirements }, signal);
    await switchLink(current, name);
    await removeOthers(stateDir, [name, previous]);
    return true;
  } catch (error) {
    throw fileError('install Ansible', current, error);
  }
}

async function makeEnvironment(
  directory: string,
  { python, requirements }: Required<Omit<InstallOptions, 'stateDir'>>,
  signal: AbortSignal,
): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await run([python, '-m', 'venv', '--', directory], 'apt-get install python3-venv', signal);
  const options = ['--quiet', '--no-input', '--disable-pip-version-check', '--require-hashes'];
  const binary = ['--only-binary', ':all:'];
  const pip = [
    join(directory, 'bin', 'python'),
    '-m',
    'pip',
    'install',
    ...options,
    ...binary,
    '-r',
    requirements,
  ];
  await run(
    pip,
    'check that this host reaches PyPI, or set PIP_INDEX_URL to a mirror; Python 3.11 or newer is needed',
    signal,
  );
  await writeFile(join(directory, COMPLETE), '');
}

async function run(
  [program = '', ...args]: readonly string[],
  hint: string,
  signal: AbortSignal,
): Promise<void> {
  const result = await execa(program, args, {
    reject: false,
    stdin: 'ignore',
    all: true,
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
    cancelSignal: signal,
    extendEnv: false,
    env: Object.fromEntries(
      PASSED_VARIABLES.flatMap((name) =>
        process.env[name] === undefined ? [] : [[name, process.env[name]]],
      ),
    ),
  });
  if (!result.failed) return;
  const detail = (result.all ?? '').trim().slice(-500) || result.shortMessage || `${program} failed`;
  throw new OperationError({
    operation: 'install Ansible',
    target: [program, ...args].join(' ').slice(0, 200),
    message: result.timedOut ? `not done within 30 minutes: ${detail}` : detail,
    retryable: true,
    hint,
  });
}

/** A link, so that the change from the old environment to the new one is atomic. */
async function switchLink(link: string, target: string): Promise<void> {
  const fresh = `${link}.new`;
  await rm(fresh, { force: true });
  await symlink(target, fresh);
  await rename(fresh, link);
}

/** The previous environment is kept: a playbook may be running in it. */
async function removeOthers(stateDir: string, kept: readonly (string | null)[]): Promise<void> {
  const names = await readdir(stateDir);
  const others = names.filter((name) => /^ansible-[0-9a-f]{12}$/.test(name) && !kept.includes(name));
  for (const name of others) await rm(join(stateDir, name), { recursive: true, force: true });
}
