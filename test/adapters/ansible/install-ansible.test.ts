/** The environment that `sos-ci setup ansible` creates, with real pip from a directory with one small package. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it as unconditional } from 'vitest';
import { findAnsible, readAnsibleVersion } from '../../../src/adapters/ansible/find-ansible.ts';
import { installAnsible } from '../../../src/adapters/ansible/install-ansible.ts';
import { EXHAUSTIVE } from '../../fixtures/effort.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';

const { describe, it } = needs('python3');

/** Builds a wheel with a program `ansible-playbook` that prints its version. */
const MAKE_WHEEL = String.raw`
import base64, hashlib, sys, zipfile
directory, version = sys.argv[1:]
text = f"import sys\ndef main():\n    print('ansible-playbook [core {version}]')\n"
files = {"demo.py": text, f"demo-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n",
  f"demo-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
  f"demo-{version}.dist-info/entry_points.txt": "[console_scripts]\nansible-playbook = demo:main\n"}
name = f"{directory}/demo-{version}-py3-none-any.whl"
with zipfile.ZipFile(name, "w") as wheel:
    for path, content in files.items():
        wheel.writestr(path, content)
    wheel.writestr(f"demo-{version}.dist-info/RECORD", "".join(f"{path},,\n" for path in files))
print(hashlib.sha256(open(name, "rb").read()).hexdigest())
`;

describe('installAnsible', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sos-ci-install-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const wheel = (version: string) =>
    execFileSync('python3', ['-c', MAKE_WHEEL, root, version], { encoding: 'utf8' }).trim();
  const install = (version: string, hash: string) => {
    const requirements = join(root, 'requirements.txt');
    writeFileSync(requirements, `--no-index\n--find-links ${root}\ndemo==${version} --hash=sha256:${hash}\n`);
    return installAnsible({ stateDir: join(root, 'state'), python: 'python3', requirements }, NEVER);
  };
  const version = async (searchPath = '') =>
    readAnsibleVersion(await findAnsible(join(root, 'state'), searchPath), NEVER);

  // pip needs ten seconds of CPU time.
  if (EXHAUSTIVE)
    it('installs the listed packages, prefers them, and keeps them if a list fails', async () => {
      const other = join(root, 'ansible-playbook');
      writeFileSync(other, '#!/bin/sh\necho "ansible-playbook [core 2.18.1]"\n', { mode: 0o755 });
      expect(await version(root)).toBe('2.18.1');
      mkdirSync(join(root, 'state', 'ansible-000000000000'), { recursive: true });
      const hash = wheel('2.19.0');
      expect(await install('2.19.0', hash)).toBe(true);
      expect(await version(root)).toBe('2.19.0');
      expect(readdirSync(join(root, 'state'))).toHaveLength(2);
      expect(await install('2.19.0', hash)).toBe(false);
      wheel('2.20.0');
      await expect(install('2.20.0', '0'.repeat(64))).rejects.toMatchObject({
        operation: 'install Ansible',
        message: expect.stringContaining('Expected sha256 0000'),
      });
      expect(await version()).toBe('2.19.0');
    }, 240_000);

  it('reports a missing package, and an Ansible that is too old', async () => {
    const python = join(root, 'python');
    writeFileSync(python, '#!/bin/sh\necho "ensurepip is not available" >&2\nexit 1\n', { mode: 0o755 });
    const state = { stateDir: join(root, 'state'), python };
    await expect(installAnsible(state, NEVER)).rejects.toMatchObject({
      message: 'ensurepip is not available',
      hint: 'apt-get install python3-venv',
    });
    await expect(findAnsible(join(root, 'state'), '')).rejects.toMatchObject({
      hint: 'sos-ci setup ansible',
    });
    mkdirSync(join(root, 'old'));
    writeFileSync(
      join(root, 'old', 'ansible-playbook'),
      '#!/bin/sh\necho "ansible-playbook [core 2.14.3]"\n',
      {
        mode: 0o755,
      },
    );
    await expect(version(join(root, 'old'))).rejects.toThrow('ansible-core 2.14.3 is older than 2.16');
  });
});

unconditional('every package that is installed has a version and hashes', () => {
  const file = join(
    dirname(fileURLToPath(import.meta.url)),
    '../../../src/adapters/ansible/requirements.txt',
  );
  expect(existsSync(file)).toBe(true);
  const packages = readFileSync(file, 'utf8').replaceAll('\\\n', ' ').split('\n');
  const named = packages.filter((line) => line.trim() !== '' && !line.startsWith('#'));
  expect(named.length).toBeGreaterThan(10);
  for (const line of named) expect(line).toMatch(/^[\w.-]+==[\w.]+( +--hash=sha256:[0-9a-f]{64})+ *$/);
});
