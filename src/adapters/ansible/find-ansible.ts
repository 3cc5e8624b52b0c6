/** Finds ansible-playbook: first the one that `sos-ci setup ansible` installed, then the system's. */
import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { basename, delimiter, isAbsolute, join } from 'node:path';
import { execa } from 'execa';
import { OperationError } from '../../errors.ts';

const PROGRAM = 'ansible-playbook';
/** The next step for an operator. */
const SETUP = 'sos-ci setup ansible';

/** The virtual environment that `sos-ci setup ansible` creates. */
export function environmentDirectory(stateDir: string): string {
  return join(stateDir, 'ansible');
}

/** The absolute path of the program. */
export async function findAnsible(stateDir: string, searchPath = process.env.PATH ?? ''): Promise<string> {
  const own = join(environmentDirectory(stateDir), 'bin');
  return findProgram(PROGRAM, [own, ...searchPath.split(delimiter)], SETUP);
}

/** The oldest ansible-core that our collection works with. */
const OLDEST = [2, 16] as const;

/** @throws OperationError for an Ansible that does not answer or is too old */
export async function readAnsibleVersion(program: string, signal: AbortSignal): Promise<string> {
  const result = await execa(program, ['--version'], {
    reject: false,
    stdin: 'ignore',
    maxBuffer: 64 * 1024,
    cancelSignal: signal,
    extendEnv: false,
    env: { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8' },
  });
  const [, version = '', major, minor] = /\[core ((\d+)\.(\d+)[^\]]*)\]/.exec(result.stdout ?? '') ?? [];
  if (version === '') throw unusable(program, 'it does not print its version');
  const isUsable = Number(major) > OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1]);
  if (isUsable) return version;
  throw unusable(program, `ansible-core ${version} is older than ${OLDEST.join('.')}`);
}

function unusable(target: string, message: string): OperationError {
  return new OperationError({
    operation: 'check Ansible',
    target,
    message: `${target}: ${message}`,
    retryable: false,
    hint: SETUP,
  });
}

export async function findBubblewrap(searchPath = process.env.PATH ?? ''): Promise<string> {
  return findProgram('bwrap', searchPath.split(delimiter), 'apt-get install bubblewrap');
}

async function findProgram(name: string, directories: readonly string[], hint: string): Promise<string> {
  for (const directory of directories) {
    const file = join(directory, name);
    if (!isAbsolute(directory) || !(await isExecutable(file))) continue;
    // A link may point into a virtual environment, which a confined playbook must then be able to read.
    const real = await realpath(file);
    return basename(real) === name ? real : file;
  }
  throw new OperationError({
    operation: 'find program',
    target: name,
    message: `the program ${name} is not installed`,
    retryable: false,
    hint,
  });
}

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
