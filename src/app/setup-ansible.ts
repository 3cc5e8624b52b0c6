/** `sos-ci setup ansible`: installs Ansible for the playbooks of stages. */
import { findAnsible, readAnsibleVersion } from '../adapters/ansible/find-ansible.ts';
import { installAnsible } from '../adapters/ansible/install-ansible.ts';

export interface InstalledAnsible {
  /** False: it was installed before. */
  readonly fresh: boolean;
  /** The absolute path of ansible-playbook. */
  readonly program: string;
  /** Of ansible-core. */
  readonly version: string;
}

/** @param python the Python of the new environment */
export async function setupAnsible(stateDir: string, python: string): Promise<InstalledAnsible> {
  const { signal } = new AbortController();
  const fresh = await installAnsible({ stateDir, python }, signal);
  const program = await findAnsible(stateDir);
  return { fresh, program, version: await readAnsibleVersion(program, signal) };
}
