/** `sos-ci setup ansible`: installs Ansible, and prints the version and the path. */
import { type InstalledAnsible, setupAnsible } from '../../app/setup-ansible.ts';
import { plainText } from '../../terminal-text.ts';
import { EXIT } from '../output/exit-codes.ts';
import { type Io, printJson } from '../output/terminal.ts';

export async function setupAnsibleCommand(
  io: Io,
  stateDir: string,
  { python = 'python3', json = false }: { readonly python?: string; readonly json?: boolean },
  setup: (stateDir: string, python: string) => Promise<InstalledAnsible> = setupAnsible,
): Promise<number> {
  io.err('Installing Ansible from PyPI: about 60 MB to download, 600 MB on disk, one to three minutes ...\n');
  const installed = await setup(stateDir, python);
  const { fresh, program, version } = installed;
  if (json) {
    printJson(io, installed);
    return EXIT.ok;
  }
  io.out(
    `${plainText(`ansible-core ${version} ${fresh ? 'is installed' : 'was installed already'}: ${program}`)}\n`,
  );
  return EXIT.ok;
}
